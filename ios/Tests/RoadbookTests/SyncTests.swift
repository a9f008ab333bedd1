import Foundation
import Roadbook
import Testing

/// Answers as it is told, and counts.
private final class Scripted: Transport {
    let requests = Counter()
    private let answer: @Sendable (HTTPRequest) async -> HTTPAnswer?

    init(_ answer: @escaping @Sendable (HTTPRequest) async -> HTTPAnswer?) {
        self.answer = answer
    }

    func post(_ request: HTTPRequest) async -> HTTPAnswer? {
        requests.add()
        return await answer(request)
    }
}

@Suite struct SyncTests {
    private let folder: Folder
    private let book: Book

    init() async throws {
        folder = try Folder()
        book = try await folder.create()
    }

    private func join(_ transport: any Transport) async throws -> SyncEnd {
        try await book.join(url: "http://127.0.0.1:1", invite: "CODE", deviceName: "phone", transport: transport)
    }

    @Test func aBookThatNeverJoinedMustJoin() async throws {
        let transport = Scripted { _ in nil }
        #expect(try await book.sync(deadline: .seconds(5), transport: transport) == .rejoin(report: .none, reason: .notJoined))
        #expect(transport.requests.count == 0)
    }

    @Test func noAnswerIsOffline() async throws {
        let end = try await join(Scripted { request in
            #expect(request.url == "http://127.0.0.1:1/v1/hello" && !request.body.isEmpty && request.authorization == nil)
            return nil
        })
        guard case .wait(let report, let afterMs, .offline) = end else {
            Issue.record("ended with \(end)")
            return
        }
        #expect(report.requests == 1 && report.bytesUp > 0 && afterMs >= 30_000 && end.report == report)
    }

    @Test func anotherProgramIsNotTheServer() async throws {
        let page = HTTPAnswer(status: 200, contentType: "text/html", body: Data("<html>Log in".utf8))
        let redirect = HTTPAnswer(status: 302, contentType: nil, body: Data())
        for answer in [page, redirect] {
            let end = try await join(Scripted { _ in answer })
            guard case .wait(_, _, .notTheServer) = end else {
                Issue.record("ended with \(end)")
                continue
            }
        }
        let garbage = try await join(Scripted { request in
            HTTPAnswer(status: 200, contentType: request.contentType, body: Data([0xff, 0x00]))
        })
        guard case .wait(let report, _, .notTheServer) = garbage else {
            Issue.record("ended with \(garbage)")
            return
        }
        #expect(report.bytesDown == 2)
    }

    @Test func aWrongAddressIsInvalid() async throws {
        let problem = Problem(field: "url", code: .format)
        await #expect(throws: BookError.Invalid(problems: [problem])) {
            try await book.join(url: "ftp://x", invite: "CODE", deviceName: "phone", transport: Scripted { _ in nil })
        }
    }

    @Test(.timeLimit(.minutes(1))) func cancellingStopsAndGivesTheLeaseBack() async throws {
        let transport = Scripted { _ in
            try? await Task.sleep(for: .seconds(3600))
            return nil
        }
        let joining = Task { [self] in try await join(transport) }
        #expect(await eventually { transport.requests.count == 1 })
        await #expect(throws: BookError.Busy) { try await book.sync(transport: transport) }
        joining.cancel()
        guard case .stopped(let report) = try await joining.value else {
            Issue.record("it did not stop")
            return
        }
        #expect(report.requests == 1)
        #expect(try await book.sync(transport: transport) == .rejoin(report: .none, reason: .notJoined))
    }

    @Test(.timeLimit(.minutes(1))) func shuttingDownGivesTheLeaseBack() async throws {
        let transport = Scripted { _ in
            try? await Task.sleep(for: .seconds(3600))
            return nil
        }
        let joining = Task { [self] in try await join(transport) }
        #expect(await eventually { transport.requests.count == 1 })
        await book.shutdown()
        let again = try await folder.open()
        #expect(try await again.sync(transport: transport) == .rejoin(report: .none, reason: .notJoined))
        joining.cancel()
        await #expect(throws: BookError.Closed) { try await joining.value }
    }

    @Test func anAnswerThatCameBeforeTheCancellationIsTaken() async throws {
        let end = try await Task { [self] in
            try await join(Scripted { _ in
                withUnsafeCurrentTask { $0?.cancel() }
                return HTTPAnswer(status: 200, contentType: "text/html", body: Data())
            })
        }.value
        guard case .wait(_, _, .notTheServer) = end else {
            Issue.record("ended with \(end)")
            return
        }
    }
}

extension Report {
    fileprivate static let none = Report(
        requests: 0, bytesUp: 0, bytesDown: 0, pushed: 0, pulled: 0, refused: 0, held: 0, setAside: 0
    )
}
