import Foundation

extension Book {
    /// What changes from now on, in every process: for all kinds, or for one.
    ///
    /// Notices that come faster than they are taken are merged into one, so a slow reader misses nothing and is not flooded;
    /// `records` is `nil` for many. The stream is for one loop. It ends with ``shutdown()``; it stops watching when the
    /// task of the loop is cancelled or the stream is let go. While there is a stream the book lives, and looks once a second
    /// whether another process wrote.
    public func changes(_ kind: Kind? = nil) -> AsyncStream<ChangeNotice> {
        let subscription = Subscription(self, kind)
        return AsyncStream { await subscription.next() }
    }
}

/// Collects the notices of one stream until they are taken.
private final class Inbox: ChangeObserver {
    /// Above this many records a notice says "many", as the core's do.
    private static let many = 256

    private let kind: Kind?
    private let waiting = Locked<ChangeNotice?>(nil)
    private let signal: AsyncStream<Void>.Continuation

    init(_ kind: Kind?, _ signal: AsyncStream<Void>.Continuation) {
        self.kind = kind
        self.signal = signal
    }

    func changed(notice: ChangeNotice) {
        var notice = notice
        if let kind {
            guard notice.kinds.contains(kind) else { return }
            notice.kinds = [kind]
            notice.records?.removeAll { $0.kind != kind }
        }
        waiting.withLock { $0 = $0.map { Self.merged($0, notice) } ?? notice }
        signal.yield()
    }

    func take() -> ChangeNotice? {
        waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
    }

    private static func merged(_ one: ChangeNotice, _ other: ChangeNotice) -> ChangeNotice {
        let kinds = one.kinds + other.kinds.filter { !one.kinds.contains($0) }
        guard let records = one.records, let more = other.records else {
            return ChangeNotice(kinds: kinds, records: nil)
        }
        let known = Set(records)
        let all = records + more.filter { !known.contains($0) }
        return ChangeNotice(kinds: kinds, records: all.count > many ? nil : all)
    }
}

/// One stream of changes; letting it go ends the watch.
private final class Subscription: Sendable {
    private let book: Book
    private let inbox: Inbox
    private let watch: Watch
    private let signals: AsyncStream<Void>
    private let number: Int

    init(_ book: Book, _ kind: Kind?) {
        // One signal is enough: it says that the inbox is not empty.
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.book = book
        self.signals = signals
        inbox = Inbox(kind, signal)
        watch = book.core.watch(observer: inbox)
        number = book.observers.add(signal, of: book)
    }

    func next() async -> ChangeNotice? {
        for await _ in signals {
            if let notice = inbox.take() { return notice }
        }
        return nil
    }

    deinit {
        watch.cancel()
        book.observers.remove(number)
    }
}

/// The streams of a book, and the look at other processes while there are any.
final class Observers: Sendable {
    private struct State {
        var signals: [Int: AsyncStream<Void>.Continuation] = [:]
        var last = 0
        var ended = false
        var looking: Task<Void, Never>?
    }

    private let state = Locked(State())

    func add(_ signal: AsyncStream<Void>.Continuation, of book: Book) -> Int {
        state.withLock { state in
            state.last += 1
            if state.ended {
                signal.finish()
                return state.last
            }
            state.signals[state.last] = signal
            if state.looking == nil {
                state.looking = Self.look(every: .seconds(1)) { [core = book.core, writes = book.lanes.writes] in
                    try await writes.run { try core.noticeOtherProcesses() }
                }
            }
            return state.last
        }
    }

    func remove(_ number: Int) {
        state.withLock { state in
            state.signals.removeValue(forKey: number)?.finish()
            if state.signals.isEmpty {
                state.looking?.cancel()
                state.looking = nil
            }
        }
    }

    func end() {
        state.withLock { state in
            state.ended = true
            state.looking?.cancel()
            state.looking = nil
            for signal in state.signals.values { signal.finish() }
            state.signals = [:]
        }
    }

    /// Looks again and again, until it is cancelled or the book is closed.
    static func look(every pause: Duration, _ look: @escaping @Sendable () async throws -> Void) -> Task<Void, Never> {
        Task(priority: .utility) {
            while (try? await Task.sleep(for: pause)) != nil {
                do {
                    try await look()
                } catch BookError.Closed {
                    return
                } catch {
                    // A busy store is asked again.
                }
            }
        }
    }
}
