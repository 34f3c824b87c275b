package io.github.sjohnr.once;

import java.lang.ref.Cleaner;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** An object of the library. Closing it closes what belongs to it; twice is safe. */
public abstract class Handle implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();

    final long handle;
    private final Handle parent;
    private final Forgotten forgotten;
    volatile boolean closed; // or it is being closed

    /** Closes what nobody has closed, when its object is gone. */
    private static final class Forgotten implements Runnable {
        private final long handle;
        final List<Object> handlers = new CopyOnWriteArrayList<>(); // until the library calls them no more

        Forgotten(long handle) {
            this.handle = handle;
        }

        @Override public void run() {
            Lib.once_close(handle);
            handlers.clear();
        }
    }

    /** The handle is closed with the parent, which is kept as long. */
    Handle(long handle, Handle parent) {
        this.handle = handle;
        this.parent = parent;
        forgotten = new Forgotten(handle);
        CLEANER.register(this, forgotten);
    }

    void keep(Object handler) {
        forgotten.handlers.add(handler);
    }

    /** Closes it, and what belongs to it. A node says goodbye before. */
    @Override public void close() {
        closed = true;
        Abi.check(this, Lib.once_close(handle));
    }
}
