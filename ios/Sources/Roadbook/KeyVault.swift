/// Keeps what opens a book, apart from the book: on a phone in the key store of the system.
public protocol KeyVault: Sendable {
    /// The secrets of a new book: a key of 32 random bytes and an incarnation of 16. A key that is kept already is returned and
    /// never replaced, since a store may have been encrypted with it.
    ///
    /// - Throws: ``BookError/KeyUnavailable`` while the device is locked; ``BookError/File(what:)`` where it cannot be kept.
    func create() async throws -> Vault

    /// The secrets of an existing book. It never makes a key. A missing incarnation is no error: a new one is made, by which the
    /// core sees that the book was copied from another device or an earlier installation.
    ///
    /// - Throws: ``BookError/KeyUnavailable`` while the device is locked: try again later. ``BookError/KeyLost`` where the key
    ///   is gone for ever.
    func open() async throws -> Vault
}
