package io.github.sjohnr.once;

import com.sun.jna.Callback;
import com.sun.jna.CallbackReference;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;

/** What the printed classes stand on: the library, its errors, and how single values cross. */
final class Abi {
    static final long SLICE = 200; // milliseconds after which a wait looks for interrupts
    private static final Duration LONGEST = Duration.ofMillis(1L << 40);

    private Abi() {}

    /** Binds the native methods of a class to the library that is in the package, or in ONCE_LIBRARY. */
    static void load(Class<?> natives) {
        String path = System.getenv("ONCE_LIBRARY");
        Native.register(natives, NativeLibrary.getInstance(path == null || path.isEmpty() ? "once" : path));
    }

    static void compatible(int abi, String model) {
        Memory text = new Memory(model.length() + 1); // the arena may hold arguments of the first call
        text.setString(0, model);
        if (Lib.once_compatible(abi, Pointer.nativeValue(text)) != 0) {
            throw new UnsatisfiedLinkError("this package and its libonce are of different models: install the same version of both");
        }
    }

    /** Fails unless a call on an object, or on none, has returned 0. */
    static void check(Handle object, int code) {
        if (code != 0) {
            throw fail(object, code);
        }
        Reference.reachabilityFence(object); // it must not be closed while the library works on it
    }

    /** A call that may wait, so many milliseconds long, and what else ends it or goes on with it. */
    interface Waiting {
        int make(long timeout, long cancel);
    }

    /**
     * Makes a call that waits, in slices, between which it looks for interrupts. Again says
     * that what was not done in no time may be begun anew. The arena has room for its result.
     */
    static void wait(Handle object, Duration timeout, Cancel cancel, boolean again, Waiting call) {
        long left = millis(timeout);
        if (again) {
            Arena.get();
            int code = call.make(0, Cancel.of(cancel));
            if (left == 0 || code != Code.TIMED_OUT.number) {
                check(object, code);
                return;
            }
        }
        Arena a = Arena.get();
        check(null, Lib.once_call_new(left, Cancel.of(cancel), 0, a.result()));
        long made = a.number();
        try {
            int code = Code.PENDING.number;
            while (code == Code.PENDING.number) {
                interrupted();
                Arena.get();
                code = call.make(SLICE, made);
            }
            check(object, code);
        } finally {
            Lib.once_close(made);
        }
    }

    /** Fails if the thread is to end what it waits for. */
    static void interrupted() {
        if (Thread.currentThread().isInterrupted()) {
            throw new OnceException(Code.CANCELED, "the thread that waits was interrupted");
        }
    }

    static RuntimeException fail(Handle object, int code) {
        Arena a = Arena.get();
        Code kind = Code.of(code);
        String text = Lib.once_message(object == null ? 0 : object.handle, code, a.result()) == 0 ? a.taken() : "";
        if (kind == Code.ARGUMENT) {
            return new IllegalArgumentException(text);
        }
        return new OnceException(kind, text.isEmpty() ? "error " + kind : text);
    }

    private static IllegalArgumentException refused(String name, Object given, String allowed) {
        return new IllegalArgumentException(name + ": " + given + " given, " + allowed + " allowed");
    }

    /** A number as it crosses, which has to be in its range. */
    static long range(long value, String name, long high) {
        if (value < 0 || value > high) {
            throw refused(name, value, "0 to " + high);
        }
        return value;
    }

    /** A duration as it crosses, in milliseconds. */
    static long duration(Duration value, String name) {
        try {
            return Math.floorDiv(value.toNanos(), 1_000_000L);
        } catch (ArithmeticException e) {
            throw refused(name, value, "less than 292 years");
        }
    }

    /** A timeout as it crosses; null is for ever. */
    static long millis(Duration timeout) {
        if (timeout == null) {
            return -1;
        }
        if (timeout.isNegative() || timeout.compareTo(LONGEST) > 0) {
            throw refused("timeout", timeout, "0 to " + LONGEST);
        }
        return timeout.toMillis();
    }

    /** A text as it crosses. */
    static byte[] utf8(String text, String name) {
        byte[] octets = text.getBytes(StandardCharsets.UTF_8);
        for (byte octet : octets) {
            if (octet == '?' && !StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
                throw refused(name, "a text with half a character", "UTF-8");
            }
        }
        return octets;
    }

    static Instant moment(long nanoseconds) {
        return nanoseconds == 0 ? null : Instant.ofEpochSecond(0, nanoseconds);
    }

    static byte[][] frames(String... texts) {
        return Arrays.stream(texts).map(text -> text.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
    }

    static <T> T last(List<T> records) {
        return records.get(records.size() - 1);
    }

    static long pointer(Callback call) {
        return Pointer.nativeValue(CallbackReference.getFunctionPointer(call));
    }
}
