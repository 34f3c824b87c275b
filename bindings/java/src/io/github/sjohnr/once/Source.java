package io.github.sjohnr.once;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.locks.ReentrantLock;

/**
 * An object that has events: for each event in it, until it has stopped. One thread at a
 * time receives. A thread that is interrupted ends its wait within 0.2 s, with CANCELED,
 * and stays interrupted.
 */
public abstract class Source<E> extends Handle implements Iterable<E> {
    private final ReentrantLock receiving = new ReentrantLock();
    private final ArrayDeque<E> waiting = new ArrayDeque<>();
    private final Memory size = new Memory(8);
    private Memory buffer = new Memory(1 << 18);
    private byte[] octets = new byte[1 << 18];

    Source(long handle, Handle parent) {
        super(handle, parent);
    }

    abstract int receive(long buffer, long size, long timeout, long cancel, long result);

    abstract List<E> decode(Reader in);

    abstract Code ends();

    private void begin() {
        if (!receiving.tryLock()) {
            throw new OnceException(Code.BUSY, "another thread receives: receive in one thread at a time");
        }
    }

    /** Receives events from the library; returns a code. */
    private int receive(long timeout, long cancel) {
        int code = receive(Pointer.nativeValue(buffer), buffer.size(), timeout, cancel, Pointer.nativeValue(size));
        if (code == Code.ROOM.number) {
            buffer = new Memory(size.getLong(0));
            octets = new byte[Math.toIntExact(buffer.size())];
            code = receive(Pointer.nativeValue(buffer), buffer.size(), timeout, cancel, Pointer.nativeValue(size));
        }
        if (code == 0) {
            int length = Math.toIntExact(size.getLong(0));
            buffer.read(0, octets, 0, length);
            waiting.addAll(decode(new Reader(octets, length)));
        }
        return code;
    }

    /** Waits in slices, between which it looks for interrupts. */
    private void fill(Duration timeout, Cancel cancel) {
        long millis = Abi.millis(timeout);
        long end = millis < 0 ? 0 : System.nanoTime() + millis * 1_000_000;
        while (waiting.isEmpty()) {
            Abi.interrupted();
            long now = millis < 0 ? Abi.SLICE : Math.max(0, Math.min(Abi.SLICE, (end - System.nanoTime()) / 1_000_000));
            int code = receive(now, Cancel.of(cancel));
            if (code != 0 && (code != Code.TIMED_OUT.number || now < Abi.SLICE)) {
                throw Abi.fail(this, code);
            }
        }
    }

    E receiveOne(Duration timeout, Cancel cancel) {
        begin();
        try {
            if (waiting.isEmpty()) {
                fill(timeout, cancel);
            }
            return waiting.poll();
        } finally {
            receiving.unlock();
        }
    }

    List<E> receiveBatch(Duration timeout, Cancel cancel) {
        begin();
        try {
            fill(timeout, cancel);
            List<E> all = new ArrayList<>(waiting);
            waiting.clear();
            return all;
        } finally {
            receiving.unlock();
        }
    }

    /** Returns the events as they come; there are no more when the node has stopped, or is closed. */
    @Override public Iterator<E> iterator() {
        return new Iterator<E>() {
            private E next;

            @Override public boolean hasNext() {
                if (next == null) {
                    try {
                        next = receiveOne(null, null);
                    } catch (OnceException e) {
                        if (!closed && e.code() != ends()) {
                            throw e;
                        }
                    }
                }
                return next != null;
            }

            @Override public E next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                E event = next;
                next = null;
                return event;
            }
        };
    }
}
