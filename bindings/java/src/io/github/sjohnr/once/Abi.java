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

    static OnceException fail(Handle object, int code) {
        Arena a = Arena.get();
        Code kind = Code.of(code);
        String text = Lib.once_message(object == null ? 0 : object.handle, code, a.result()) == 0 ? a.taken() : "";
        return new OnceException(kind, text.isEmpty() ? "error " + kind : text);
    }

    /** A duration as it crosses; null is for ever, and what is too long stays out of all limits. */
    static long millis(Duration duration) {
        if (duration == null) {
            return -1;
        }
        return duration.compareTo(LONGEST) > 0 ? LONGEST.toMillis() : Math.max(0, duration.toMillis());
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
