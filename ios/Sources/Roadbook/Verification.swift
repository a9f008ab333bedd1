/// Opens, after a sync, the records that came whole from the server: only then are their conflicts known. Works in portions
/// between the user's long calls, and not during a sync, so that both wait for one portion at most.
final class Verification: Sendable {
    private struct State {
        var running: Task<Void, Never>?
        var ended = false
    }

    /// Some tens of milliseconds of the store's one writer.
    private static let portion: UInt32 = 50

    private let core: BlockingBook
    private let lane: Lane
    private let state = Locked(State())

    init(_ core: BlockingBook, _ lane: Lane) {
        self.core = core
        self.lane = lane
    }

    /// Goes on until every record is checked, a sync begins or the book is closed.
    func start() {
        state.withLock { state in
            state.running?.cancel()
            state.running = state.ended ? nil : Self.verify(core, lane)
        }
    }

    func stop() {
        state.withLock { state in
            state.running?.cancel()
            state.running = nil
        }
    }

    /// For good: the book is closed.
    func end() {
        stop()
        state.withLock { $0.ended = true }
    }

    private static func verify(_ core: BlockingBook, _ lane: Lane) -> Task<Void, Never> {
        Task(priority: .utility) {
            while !Task.isCancelled {
                do {
                    if try await lane.run({ try core.verifySome(limit: portion) }) == 0 { return }
                } catch {
                    // Closed; or the store fails, which the app's own calls tell. The next sync tries again.
                    return
                }
            }
        }
    }
}
