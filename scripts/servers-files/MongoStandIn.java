import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.h2.mvstore.MVStore;

/**
 * A server that speaks MongoDB's wire protocol, for tests where no MongoDB can be had:
 * {@code java -cp 'lib/*' MongoStandIn.java PORT FILE}. Prints one line of JSON when it listens on the loopback.
 *
 * <p>It keeps what MongoDB promises to a client that asks for it: a command with {@code j: true} or {@code w: "majority"} is
 * answered after it is in the file, so {@code kill -9} does not lose it. Others are written every 20 ms.
 */
public final class MongoStandIn {
  private static final long COMMIT_EVERY_MS = 20;
  private static final long COMPACT_EVERY_MS = 2_000;

  public static void main(String[] args) {
    if (args.length != 2) {
      System.err.println("usage: java -cp 'lib/*' MongoStandIn.java PORT FILE");
      System.exit(2);
    }
    Durable backend = Durable.open(args[1]);
    backend.version(new Version());
    MongoServer server = new MongoServer(backend);
    server.bind("127.0.0.1", Integer.parseInt(args[0]));

    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    timer.scheduleWithFixedDelay(backend::commitAll, COMMIT_EVERY_MS, COMMIT_EVERY_MS, TimeUnit.MILLISECONDS);
    timer.scheduleWithFixedDelay(backend::compact, COMPACT_EVERY_MS, COMPACT_EVERY_MS, TimeUnit.MILLISECONDS);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      // Not shutdownNow: an interrupt closes the store's file in the middle of a commit.
      timer.shutdown();
      server.shutdownNow();
    }));
    System.out.println("{\"event\":\"listening\",\"url\":\"mongodb://127.0.0.1:" + args[0] + "/\"}");
  }

  /** The oldest that driver 7 accepts. */
  private static final class Version implements MongoVersion {
    public List<Integer> getVersionArray() {
      return List.of(4, 4, 29);
    }

    public int getWireVersion() {
      return 9;
    }
  }

  /** A commit never falls into the middle of a command: documents and indexes in the file always fit together. */
  private static final class Durable extends H2Backend {
    private final ReadWriteLock commands = new ReentrantReadWriteLock(true);
    private final AtomicLong asked = new AtomicLong();
    private long committed;

    private Durable(MVStore store) {
      super(store);
    }

    static Durable open(String file) {
      // Its own commits by time and by size would not wait for commands.
      MVStore store = new MVStore.Builder().fileName(file).autoCommitDisabled().autoCommitBufferSize(0).open();
      store.setRetentionTime(2_000);
      return new Durable(store);
    }

    @Override
    public Document handleMessage(MongoMessage message) {
      Document answer;
      commands.readLock().lock();
      try {
        answer = super.handleMessage(message);
      } finally {
        commands.readLock().unlock();
      }
      if (isDurable(message.getDocument().get("writeConcern"))) commitUpTo(asked.incrementAndGet());
      return answer;
    }

    private static boolean isDurable(Object concern) {
      return concern instanceof Document d
          && (Boolean.TRUE.equals(d.get("j")) || "majority".equals(d.get("w")));
    }

    /** A command that waited while another one committed has been committed with it. */
    private void commitUpTo(long ticket) {
      commands.writeLock().lock();
      try {
        if (committed >= ticket) return;
        committed = asked.get();
        getMvStore().commit();
      } finally {
        commands.writeLock().unlock();
      }
    }

    void commitAll() {
      orDie(() -> getMvStore().commit());
    }

    void compact() {
      orDie(() -> getMvStore().compact(50, 4 * 1024 * 1024));
    }

    /** A store that cannot write has to end visibly: going on would acknowledge what is lost. */
    private void orDie(Runnable work) {
      commands.writeLock().lock();
      try {
        work.run();
      } catch (RuntimeException e) {
        e.printStackTrace();
        Runtime.getRuntime().halt(1);
      } finally {
        commands.writeLock().unlock();
      }
    }
  }
}
