package io.github.sjohnr.once;

import com.sun.jna.Pointer;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** Reads records from octets, which it copies: see gsl/README.md. Numbers are big-endian. */
final class Reader {
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
    private static final byte[] NOTHING = {};

    int at; // where the next field that varies begins
    private final byte[] data;
    private final int end;
    private final Map<Integer, Object> seen = new HashMap<>();
    private int last = -1; // the record that was asked for last begins here
    private Object found;

    /** Makes a record from what begins at a place. */
    interface Maker<T> {
        T make(Reader in, int at);
    }

    Reader(byte[] data, int end) {
        this.data = data;
        this.end = end;
    }

    int size() {
        return end;
    }

    /** Returns all records of a class that others do not refer to, or that are of another class than those. */
    <T> List<T> all(int number, Maker<T> maker) {
        List<T> list = new ArrayList<>();
        for (int begin = 0; begin < end; begin += 5 + u32(begin + 1)) {
            if (data[begin] == number) {
                list.add(maker.make(this, begin));
            }
        }
        return list;
    }

    /** Returns the record that another refers to. */
    @SuppressWarnings("unchecked") // a place has one class
    <T> T record(int begin, Maker<T> maker) {
        if (begin != last) {
            int kept = at;
            Object one = seen.get(begin);
            if (one == null) {
                one = maker.make(this, begin);
                seen.put(begin, one);
            }
            found = one;
            last = begin;
            at = kept;
        }
        return (T) found;
    }

    byte octet(int from) {
        return data[from];
    }

    int u16(int from) {
        return (data[from] & 0xff) << 8 | data[from + 1] & 0xff;
    }

    int u32(int from) {
        return (int) INT.get(data, from);
    }

    long u64(int from) {
        return (long) LONG.get(data, from);
    }

    UUID uuid(int from) {
        return new UUID(u64(from), u64(from + 8));
    }

    String text(int size) {
        if (size == 0) {
            return "";
        }
        at += size;
        return new String(data, at - size, size, StandardCharsets.UTF_8);
    }

    private byte[] entry() {
        int size = u32(at);
        at += 4 + size;
        return size == 0 ? NOTHING : Arrays.copyOfRange(data, at - size, at);
    }

    byte[][] frames(int count) {
        byte[][] list = new byte[count][];
        for (int i = 0; i < count; i++) {
            list[i] = entry();
        }
        return list;
    }

    private String textEntry() {
        int size = u32(at);
        at += 4;
        return text(size);
    }

    List<String> texts(int count) {
        List<String> list = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            list.add(textEntry());
        }
        return Collections.unmodifiableList(list);
    }

    Map<String, String> pairs(int count) {
        Map<String, String> map = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            map.put(textEntry(), textEntry());
        }
        return Collections.unmodifiableMap(map);
    }

    Map<String, Long> numbers(int count) {
        Map<String, Long> map = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            map.put(textEntry(), u64(at + 4));
            at += 12;
        }
        return Collections.unmodifiableMap(map);
    }

    private int count() {
        at = 4;
        return u32(0);
    }

    // A list that is no field of a record has its count before it.

    byte[][] frames() {
        return frames(count());
    }

    List<String> texts() {
        return texts(count());
    }

    Map<String, String> pairs() {
        return pairs(count());
    }

    Map<String, Long> numbers() {
        return numbers(count());
    }

    static String text(Pointer from, long size) {
        return of(from, size).text((int) size);
    }

    static Map<String, String> pairs(Pointer from, long size) {
        return of(from, size).pairs();
    }

    private static Reader of(Pointer from, long size) {
        byte[] octets = size == 0 ? NOTHING : from.getByteArray(0, Math.toIntExact(size));
        return new Reader(octets, octets.length);
    }
}
