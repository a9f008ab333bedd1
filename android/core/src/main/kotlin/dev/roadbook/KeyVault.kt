package dev.roadbook

/**
 * Keeps what opens a book, apart from the book: on a phone in the hardware's key store.
 *
 * Both functions return a [Vault] made for this call: its key is overwritten when the book is open. They are called on a
 * background thread and may suspend, for instance until a person has unlocked the key.
 */
public interface KeyVault {
    /**
     * The secrets of a new book: a key of 32 random bytes and an incarnation of 16. Called by [Book.create] only. A key that
     * is there already is returned and never replaced, since a store may have been encrypted with it.
     */
    public suspend fun create(): Vault

    /**
     * The secrets of an existing book; never makes a key.
     *
     * Throws [BookException.KeyUnavailable] while the key cannot be read (the device is locked: try again later) and
     * [BookException.KeyLost] when it is gone for ever. A missing incarnation is not an error: a new one is made, by which
     * the core sees that the book was copied from another device or an earlier installation.
     */
    public suspend fun open(): Vault
}
