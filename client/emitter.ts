/** Typed events. Handlers run in the order in which they were added, at once. */
export type Emitter<Events extends object> = {
  /** The result removes the handler. */
  readonly on: <Name extends keyof Events>(name: Name, handler: (event: Events[Name]) => void) => () => void;
  readonly emit: <Name extends keyof Events>(name: Name, event: Events[Name]) => void;
};

type Handlers<Events extends object> = { [Name in keyof Events]?: Set<(event: Events[Name]) => void> };

export function createEmitter<Events extends object>(): Emitter<Events> {
  const handlers: Handlers<Events> = {};
  return {
    on: (name, handler) => {
      const set = (handlers[name] ??= new Set());
      set.add(handler);
      return () => {
        set.delete(handler);
      };
    },
    emit: (name, event) => {
      for (const handler of [...(handlers[name] ?? [])]) {
        try {
          handler(event);
        } catch (error) {
          // A defect of the application: it must be seen, and must not stop the frames behind this one.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
  };
}
