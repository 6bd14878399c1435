import com.eventstore.dbclient.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.*;

/** The official Java client against a writable log: `java -cp 'lib/*' EventStoreClient.java URL`. Exits 1 when something is not as it should be. */
public class EventStoreClient {
  static EventData event(int number) {
    return EventData.builderAsJson("Java" + number, ("{\"number\":" + number + ",\"text\":\"héllo €\"}").getBytes(StandardCharsets.UTF_8))
        .metadataAsBytes("{\"by\":\"java\"}".getBytes(StandardCharsets.UTF_8)).build();
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }

  static List<String> types(List<ResolvedEvent> events) {
    List<String> types = new ArrayList<>();
    for (ResolvedEvent event : events) types.add(event.getOriginalEvent().getEventType());
    return types;
  }

  /** Collects what a subscription brings until there are so many. */
  static class Collector extends SubscriptionListener {
    final List<ResolvedEvent> events = new CopyOnWriteArrayList<>();
    final CompletableFuture<Void> enough = new CompletableFuture<>();
    final int count;

    Collector(int count) { this.count = count; }

    @Override public void onEvent(Subscription subscription, ResolvedEvent event) {
      events.add(event);
      if (events.size() == count) { enough.complete(null); subscription.stop(); }
    }

    @Override public void onCancelled(Subscription subscription, Throwable error) {
      if (error != null) enough.completeExceptionally(error);
    }
  }

  public static void main(String[] args) throws Exception {
    EventStoreDBClient client = EventStoreDBClient.create(EventStoreDBConnectionString.parseOrThrow(args[0]));
    try {
      run(client);
      System.exit(0);
    } catch (Throwable error) {
      error.printStackTrace();
      System.exit(1);
    }
  }

  static void run(EventStoreDBClient client) throws Exception {
    String stream = "java-" + UUID.randomUUID();
    List<EventData> first = List.of(event(0), event(1));
    AppendToStreamOptions fresh = AppendToStreamOptions.get().expectedRevision(ExpectedRevision.noStream());
    WriteResult written = client.appendToStream(stream, fresh, first.iterator()).get();
    WriteResult again = client.appendToStream(stream, fresh, first.iterator()).get();
    check(written.getLogPosition().equals(again.getLogPosition()), "the same append again is the first one");
    client.appendToStream(stream, AppendToStreamOptions.get().expectedRevision(1), event(2)).get();
    try {
      client.appendToStream(stream, AppendToStreamOptions.get().expectedRevision(0), event(3)).get();
      throw new AssertionError("a wrong revision was taken");
    } catch (ExecutionException error) {
      check(error.getCause() instanceof WrongExpectedVersionException, "not a wrong version: " + error.getCause());
    }

    List<ResolvedEvent> events = client.readStream(stream, ReadStreamOptions.get().forwards().fromStart()).get().getEvents();
    check(types(events).equals(List.of("Java0", "Java1", "Java2")), "stream: " + types(events));
    RecordedEvent head = events.get(0).getOriginalEvent();
    check(head.getEventId().equals(first.get(0).getEventId()), "the id is kept");
    check(new String(head.getEventData(), StandardCharsets.UTF_8).contains("héllo €"), "the data are kept");
    check(head.getRevision() == 0, "revisions start at 0");
    List<ResolvedEvent> newest = client.readStream(stream, ReadStreamOptions.get().backwards().fromEnd().maxCount(1)).get().getEvents();
    check(types(newest).equals(List.of("Java2")), "backwards: " + types(newest));
    try {
      client.readStream(stream + "-absent", ReadStreamOptions.get()).get();
      throw new AssertionError("an absent stream was found");
    } catch (ExecutionException error) {
      check(error.getCause() instanceof StreamNotFoundException, "not an absent stream: " + error.getCause());
    }
    List<ResolvedEvent> all = client.readAll(ReadAllOptions.get().forwards().fromPosition(head.getPosition()).maxCount(3)).get().getEvents();
    check(all.get(0).getOriginalEvent().getEventId().equals(head.getEventId()), "$all from a position, inclusive");

    Collector ofStream = new Collector(3);
    client.subscribeToStream(stream, ofStream, SubscribeToStreamOptions.get().fromStart()).get();
    ofStream.enough.get(30, TimeUnit.SECONDS);
    SubscriptionFilter filter = SubscriptionFilter.newBuilder().addStreamNamePrefix(stream).build();
    Collector ofAll = new Collector(3);
    client.subscribeToAll(ofAll, SubscribeToAllOptions.get().fromStart().filter(filter)).get();
    ofAll.enough.get(30, TimeUnit.SECONDS);
    check(types(ofAll.events).equals(types(events)), "$all, filtered: " + types(ofAll.events));
    System.out.println("{\"client\":\"db-client-java\",\"stream\":\"" + stream + "\",\"events\":" + events.size() + ",\"filtered\":" + ofAll.events.size() + "}");
  }
}
