import Foundation

/// Keeps the key in two files that only their owner may read: for tests, command lines and desktops whose disk is encrypted.
/// A phone's app keeps it in the key store of the system instead.
public struct FileKeyVault: KeyVault {
    private static let lane = Lane("keys", width: 1)
    private static let keyBytes = 32
    private static let incarnationBytes = 16

    private let key: URL
    private let incarnation: URL

    /// A vault in a folder, which may be the book's own.
    public init(directory: URL) {
        key = directory.appendingPathComponent("key", isDirectory: false)
        incarnation = directory.appendingPathComponent("incarnation", isDirectory: false)
    }

    /// See ``KeyVault/create()``.
    public func create() async throws -> Vault {
        try await Self.lane.run {
            do {
                let directory = key.deletingLastPathComponent()
                try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            } catch {
                throw BookError.File(what: "cannot create the folder of the key")
            }
            return try vault(Self.bytes(of: key) ?? Self.kept(key, Self.keyBytes))
        }
    }

    /// See ``KeyVault/open()``.
    public func open() async throws -> Vault {
        try await Self.lane.run {
            guard let bytes = try Self.bytes(of: key) else { throw BookError.KeyLost }
            return try vault(bytes)
        }
    }

    private func vault(_ secret: Data) throws -> Vault {
        guard secret.count == Self.keyBytes else { throw BookError.KeyLost }
        if let own = try Self.bytes(of: incarnation) {
            if own.count == Self.incarnationBytes { return Vault(key: secret, incarnation: own) }
            // As good as missing, and no secret that anything was encrypted with. Where it stays, the next step says so.
            unlink(incarnation.path)
        }
        return Vault(key: secret, incarnation: try Self.kept(incarnation, Self.incarnationBytes))
    }

    /// What the file holds; `nil` where there is no file.
    private static func bytes(of file: URL) throws -> Data? {
        do {
            return try Data(contentsOf: file)
        } catch CocoaError.fileReadNoSuchFile {
            return nil
        } catch {
            throw BookError.KeyUnavailable
        }
    }

    /// New random bytes that the file holds from now on, or those that somebody else put there meanwhile. A file that is there is
    /// never overwritten.
    private static func kept(_ file: URL, _ count: Int) throws -> Data {
        var random = SystemRandomNumberGenerator()
        let bytes = Data((0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        let cannot = BookError.File(what: "cannot keep the key in \(file.lastPathComponent)")
        // Written beside its place and then linked to it: it is there whole or not at all, and the first of two writers wins.
        let beside = file.appendingPathExtension(UUID().uuidString)
        let descriptor = exclusively(beside.path)
        guard descriptor >= 0 else { throw cannot }
        defer { unlink(beside.path) }
        let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, count) }
        let synced = fsync(descriptor)
        guard close(descriptor) == 0, written == count, synced == 0 else { throw cannot }
        _ = link(beside.path, file.path)
        guard let bytes = try Self.bytes(of: file), bytes.count == count else { throw cannot }
        return bytes
    }

    /// A new file that only its owner may read.
    private static func exclusively(_ path: String) -> Int32 {
        #if canImport(Glibc)
        Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        #else
        Darwin.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        #endif
    }
}
