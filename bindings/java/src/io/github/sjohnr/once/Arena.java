package io.github.sjohnr.once;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;

/**
 * Memory of a thread in which the arguments of a call cross, and its result: nothing is
 * allocated for a call. It is good for one call at a time. Addresses are numbers, as JNA
 * passes these on as they are.
 */
final class Arena {
    private static final ThreadLocal<Arena> OF_THREAD = ThreadLocal.withInitial(Arena::new);
    private static final int SIZE = 1 << 16;
    private static final int RESULT = 16; // octets of the largest result; arguments come after them

    private final Memory memory = new Memory(SIZE);
    private final ByteBuffer buffer = memory.getByteBuffer(0, SIZE).order(ByteOrder.nativeOrder());
    private final long address = Pointer.nativeValue(memory);
    private final List<Memory> large = new ArrayList<>(); // arguments that have no room
    private int used;
    private int size;
    private long sizes;

    /** Returns the arena of this thread, empty. */
    static Arena get() {
        Arena a = OF_THREAD.get();
        a.used = RESULT;
        if (!a.large.isEmpty()) {
            a.large.clear();
        }
        return a;
    }

    /** Returns the address of so many octets; the buffer stands at them. */
    private ByteBuffer room(int octets) {
        int begin = (used + 7) & ~7;
        if (octets <= SIZE - begin) {
            used = begin + octets;
            at = address + begin;
            buffer.position(begin);
            return buffer;
        }
        Memory more = new Memory(octets);
        large.add(more);
        at = Pointer.nativeValue(more);
        return more.getByteBuffer(0, octets).order(ByteOrder.nativeOrder());
    }

    private long at; // of what had room last

    /** Puts a text, which then ends in a zero, and returns its address; size is its size. */
    long text(String text, String name) {
        byte[] octets = Abi.utf8(text, name);
        size = octets.length;
        room(size + 1).put(octets).put((byte) 0);
        return at;
    }

    long size() {
        return size;
    }

    long id(UUID id) {
        ByteBuffer to = room(16);
        to.putLong(swapped(id.getMostSignificantBits())).putLong(swapped(id.getLeastSignificantBits()));
        return at;
    }

    /** Puts all that a call needs beside a frame, and returns where. */
    long all(long handle, UUID id, long timeout, long cancel) {
        ByteBuffer to = room(40);
        to.putLong(handle).putLong(swapped(id.getMostSignificantBits())).putLong(swapped(id.getLeastSignificantBits())).putLong(timeout).putLong(cancel);
        return at;
    }

    private static long swapped(long value) {
        return ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN ? value : Long.reverseBytes(value);
    }

    /** Puts frames one after the other, and returns where; sizes has their sizes. */
    long content(byte[][] frames) {
        ByteBuffer to = room(8 * frames.length);
        sizes = at;
        long total = 0;
        for (byte[] frame : frames) {
            Objects.requireNonNull(frame, "content");
            to.putLong(frame.length);
            total += frame.length;
        }
        to = room(Math.toIntExact(Math.max(total, 1)));
        for (byte[] frame : frames) {
            to.put(frame);
        }
        return at;
    }

    long sizes() {
        return sizes;
    }

    /** Returns the address that a result is written to. */
    long result() {
        return address;
    }

    byte octet() {
        return buffer.get(0);
    }

    long number() {
        return buffer.getLong(0);
    }

    UUID uuid() {
        return new UUID(swapped(buffer.getLong(0)), swapped(buffer.getLong(8)));
    }

    /** Returns the data that the result is, and releases it. */
    Reader take() {
        long from = buffer.getLong(0);
        long length = buffer.getLong(8);
        byte[] octets = length == 0 ? new byte[0] : new Pointer(from).getByteArray(0, Math.toIntExact(length));
        Lib.once_free(address);
        return new Reader(octets, octets.length);
    }

    String taken() {
        Reader in = take();
        return in.text(in.size());
    }

    /** Returns the list that the result is, at its count. */
    Reader list() {
        return take();
    }
}
