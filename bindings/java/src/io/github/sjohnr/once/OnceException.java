package io.github.sjohnr.once;

/** An error of the library; code tells which, for programs. */
public class OnceException extends RuntimeException {
    private static final long serialVersionUID = 1;
    private final Code code;

    OnceException(Code code, String message) {
        super(message);
        this.code = code;
    }

    /** Returns what the error is. */
    public Code code() {
        return code;
    }
}
