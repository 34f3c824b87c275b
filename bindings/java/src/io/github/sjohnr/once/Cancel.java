package io.github.sjohnr.once;

/** Ends calls that wait with it. */
public final class Cancel extends Handle {
    /** Makes one, which one closes. */
    public Cancel() {
        super(open(), null);
    }

    private static long open() {
        Arena a = Arena.get();
        Abi.check(null, Lib.once_cancel_new(a.result()));
        return a.number();
    }

    /** Ends all calls that wait with this, now and from then on; they fail with CANCELED. */
    public void cancel() {
        Abi.check(this, Lib.once_cancel(handle));
    }

    static long of(Cancel cancel) {
        return cancel == null ? 0 : cancel.handle;
    }
}
