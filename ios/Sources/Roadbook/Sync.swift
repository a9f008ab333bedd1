import Foundation

/// Meeting other devices through a server.
extension Book {
    /// Pushes what is new here and pulls what is new elsewhere, a page at a time; every page is kept as it comes.
    ///
    /// How it ended is the result and not an error: see ``SyncEnd``. After the deadline, or when the task is cancelled, it ends
    /// at the next page with `more` or `stopped`; nothing is lost, and the next sync goes on from there.
    ///
    /// When it is over, the records that came are checked in the background, in small portions, until another sync begins or the
    /// book is shut down.
    ///
    /// - Throws: ``BookError/Busy`` while another process or task syncs this book.
    public func sync(
        deadline: Duration? = nil,
        transport: any Transport = URLSessionTransport.shared
    ) async throws -> SyncEnd {
        let deadlineMs = deadline.map { UInt32(clamping: $0.wholeMilliseconds) }
        return try await drive(transport) { try $0.syncSession(deadlineMs: deadlineMs) }
    }

    /// Joins a workspace with an invitation, then syncs. Edits made before come along.
    ///
    /// - Throws: ``BookError/Invalid(problems:)`` for a `url` or an `invite` that is none; ``BookError/OtherWorkspace`` where
    ///   this book is of another workspace than the invitation; ``BookError/Busy`` as ``sync(deadline:transport:)``.
    public func join(
        url: String,
        invite: String,
        deviceName: String,
        transport: any Transport = URLSessionTransport.shared
    ) async throws -> SyncEnd {
        try await drive(transport) { try $0.joinSession(url: url, invite: invite, deviceName: deviceName) }
    }

    private func drive(
        _ transport: any Transport,
        _ begin: @escaping @Sendable (BlockingBook) throws -> SyncSession
    ) async throws -> SyncEnd {
        try await write { [syncing] core in
            let session = try begin(core)
            syncing.withLock { $0 = session }
        }
        verification.stop()
        defer {
            // Another sync can begin only when the session is let go.
            syncing.withLock { $0 = nil }
            // However it ended: its pages are committed, and an earlier one's may have been left unchecked by a killed app.
            verification.start()
        }
        return try await exchange(transport)
    }

    private func exchange(_ transport: any Transport) async throws -> SyncEnd {
        var step = try await self.step { try $0.start() }
        while true {
            switch step {
            case .finished(let end):
                return end
            case .send(let request):
                if Task.isCancelled {
                    step = try await self.step { try $0.stop() }
                } else if let answer = await transport.post(request) {
                    step = try await self.step {
                        try $0.answered(status: answer.status, contentType: answer.contentType, body: answer.body)
                    }
                } else if !Task.isCancelled {
                    step = try await self.step { try $0.unreachable() }
                }
            }
        }
    }

    private func step(_ next: @escaping @Sendable (SyncSession) throws -> SyncStep) async throws -> SyncStep {
        try await write { [syncing] _ in
            // Shutting the book down lets the session go.
            guard let session = syncing.withLock({ $0 }) else { throw BookError.Closed }
            return try next(session)
        }
    }
}

extension SyncEnd {
    /// What the sync did, however it ended.
    public var report: Report {
        switch self {
        case .done(let report), .more(let report), .upgrade(let report), .stopped(let report): report
        case .wait(let report, _, _): report
        case .rejoin(let report, _): report
        }
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    fileprivate var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? .max : whole + attoseconds / 1_000_000_000_000_000
    }
}
