package io.github.sjohnr.once;

import java.util.UUID;

/** What has a UUID that nodes know it by: a peer, say. */
public interface Identified {
    /** Returns its UUID. */
    UUID uuid();
}
