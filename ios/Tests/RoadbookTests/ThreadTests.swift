import Dispatch
import Foundation
@testable import Roadbook
import Testing

@Suite struct ThreadTests {
    /// One more book than the pool has threads, each blocked in an import: a call that held a thread of the pool would leave
    /// none to let the imports go on.
    @Test(.timeLimit(.minutes(1))) func blockedCallsLeaveThePoolFree() async throws {
        let folder = try Folder()
        let file = try folder.file("cards.vcf", holding: cards(100))
        let (gate, blocked) = (DispatchSemaphore(value: 0), Counter())
        let count = ProcessInfo.processInfo.activeProcessorCount + 1
        try await withThrowingTaskGroup(of: UInt64.self) { group in
            for number in 0..<count {
                group.addTask {
                    try await folder.create("\(number)").importVCard(file: file) { _ in
                        blocked.add()
                        gate.wait()
                        return true
                    }.added
                }
            }
            #expect(await eventually { blocked.count == count })
            for _ in 0..<count { gate.signal() }
            for try await added in group { #expect(added == 100) }
        }
    }

    @Test(.timeLimit(.minutes(1))) func savesAndReadsGoOnDuringAnImport() async throws {
        let folder = try Folder()
        let book = try await folder.create()
        let file = try folder.file("cards.vcf", holding: cards(100))
        let (gate, blocked) = (DispatchSemaphore(value: 0), Counter())
        async let report = book.importVCard(file: file) { progress in
            #expect(progress.cards == 100 && progress.bytes > 0)
            blocked.add()
            gate.wait()
            return true
        }
        #expect(await eventually { blocked.count == 1 })
        let contact = try await book.savedContact("Meanwhile")
        #expect(try await book.contact(contact.id) == contact)
        gate.signal()
        #expect(try await report.added == 100)
    }

    @Test(.timeLimit(.minutes(1))) func aShutdownDoesNotWaitForAnImport() async throws {
        let folder = try Folder()
        let book = try await folder.create()
        let file = try folder.file("cards.vcf", holding: cards(200))
        let (gate, blocked) = (DispatchSemaphore(value: 0), Counter())
        let importing = Task {
            try await book.importVCard(file: file) { _ in
                blocked.add()
                gate.wait()
                return true
            }
        }
        #expect(await eventually { blocked.count == 1 })
        await book.shutdown()
        #expect(try await folder.open().status().records == 100)
        gate.signal()
        await #expect(throws: BookError.Closed) { try await importing.value }
    }

    @Test func manyCallsAtOnceAllEnd() async throws {
        let folder = try Folder()
        let book = try await folder.create()
        let contact = try await book.savedContact("A")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    if number % 10 == 0 { _ = try await book.savedContact("\(number)") }
                    #expect(try await book.contact(contact.id) == contact)
                }
            }
            try await group.waitForAll()
        }
        #expect(try await book.contacts().items.count == 21)
    }

    @Test(.timeLimit(.minutes(1))) func aReadThatIsCancelledBeforeItsTurnIsNotDone() async throws {
        let folder = try Folder()
        let book = try await folder.create()
        let (gate, blocked, done) = (DispatchSemaphore(value: 0), Counter(), Counter())
        // As many as are read at a time.
        let readers = (0..<4).map { _ in
            Task {
                try await book.read { _ in
                    blocked.add()
                    gate.wait()
                }
            }
        }
        #expect(await eventually { blocked.count == readers.count })
        let queued = (0..<10).map { _ in
            Task { try await book.read { _ in done.add() } }
        }
        #expect(await eventually { book.lanes.reads.waiting == queued.count })
        for task in queued { task.cancel() }
        for _ in readers { gate.signal() }
        for task in queued {
            await #expect(throws: BookError.Cancelled) { try await task.value }
        }
        for reader in readers { try await reader.value }
        #expect(done.count == 0)
    }

    @Test func aCancelledReadIsNotDoneAndACancelledSaveIs() async throws {
        let folder = try Folder()
        let book = try await folder.create()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            let saved = try await book.savedContact("Saved")
            await #expect(throws: BookError.Cancelled) { try await book.contact(saved.id) }
        }
        task.cancel()
        try await task.value
        #expect(try await book.contacts().items.map(\.familyName) == ["Saved"])
    }
}
