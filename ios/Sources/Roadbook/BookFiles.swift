import Foundation

/// How far an import is.
public struct ImportProgress: Sendable, Hashable {
    /// Bytes read so far.
    public let bytes: UInt64
    /// Cards read so far.
    public let cards: UInt64
}

/// Contacts in from files, and out again.
extension Book {
    /// Takes the contacts of a vCard file. What is left out is reported, and the rest is taken: a broken card, a card of a person
    /// who was erased, of a record of another kind, and of a contact that the role does not allow to bring back. The same
    /// file again adds nothing.
    ///
    /// National phone numbers are read as dialled in `region` (ISO 3166-1, two letters), or in the book's where it is nil.
    ///
    /// `progress` is called after every batch, on a thread of the book; `false` stops the import. Cancelling the task stops it
    /// too. What was taken stays, and the report says `cancelled`. Saves go on in between.
    ///
    /// - Throws: ``BookError/File(what:)`` where the file cannot be read, ``BookError/Invalid(problems:)`` for a region that is
    ///   none.
    public func importVCard(
        file: URL,
        region: String? = nil,
        progress: (@Sendable (ImportProgress) -> Bool)? = nil
    ) async throws -> ImportReport {
        let importing = Importing(progress)
        return try await withTaskCancellationHandler {
            try await long { try $0.importVcard(file: file.path, region: region, progress: importing) }
        } onCancel: {
            importing.cancel()
        }
    }

    /// Writes living contacts as vCard 4.0 into a file. The file is there whole or not at all. A record that cannot be opened
    /// is left out of it and named in the report.
    @discardableResult
    public func exportVCard(file: URL) async throws -> ExportReport {
        try await long { try $0.exportVcard(file: file.path) }
    }

    /// Writes all living records as JSON into a file, as ``exportVCard(file:)``; the file names the records that were left
    /// out, too.
    @discardableResult
    public func exportJSON(file: URL) async throws -> ExportReport {
        try await long { try $0.exportJson(file: file.path) }
    }
}

private final class Importing: ProgressObserver {
    private let report: (@Sendable (ImportProgress) -> Bool)?
    private let cancelled = Locked(false)

    init(_ report: (@Sendable (ImportProgress) -> Bool)?) {
        self.report = report
    }

    func cancel() {
        cancelled.withLock { $0 = true }
    }

    func progressed(bytes: UInt64, cards: UInt64) -> Bool {
        if cancelled.withLock({ $0 }) { return false }
        return report?(ImportProgress(bytes: bytes, cards: cards)) ?? true
    }
}
