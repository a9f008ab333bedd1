import Foundation
import Roadbook
import Testing

@Suite struct URLSessionTransportTests {
    private let transport = URLSessionTransport(timeout: .seconds(10), total: .seconds(20))

    private func request(_ url: String) -> HTTPRequest {
        HTTPRequest(url: url, contentType: "application/roadbook", authorization: "Bearer abc", body: Data("hello".utf8))
    }

    @Test func aRequestIsPostedAndItsAnswerComesBack() async throws {
        let server = try LoopbackServer(status: "503 Busy", headers: ["Content-Type: application/x"], body: Data("later".utf8))
        defer { server.stop() }
        let answer = await transport.post(request(server.url("/v1/sync")))
        #expect(answer == HTTPAnswer(status: 503, contentType: "application/x", body: Data("later".utf8)))
        let sent = try #require(server.requests.first)
        #expect(sent.hasPrefix("POST /v1/sync HTTP/1.1\r\n") && sent.hasSuffix("\r\n\r\nhello"))
        let head = sent.lowercased()
        for line in ["content-type: application/roadbook", "accept: application/roadbook", "authorization: bearer abc"] {
            #expect(head.contains("\r\n\(line)\r\n"))
        }
    }

    @Test func aRedirectIsAnAnswer() async throws {
        let headers = ["Location: /elsewhere", "Content-Type: text/html", "Set-Cookie: a=b"]
        let server = try LoopbackServer(status: "302 Found", headers: headers, body: Data("moved".utf8))
        defer { server.stop() }
        for _ in 0..<2 {
            let answer = await transport.post(request(server.url("/v1/hello")))
            #expect(answer?.status == 302 && answer?.contentType == "text/html")
        }
        #expect(server.requests.count == 2)
        #expect(server.requests.allSatisfy { $0.hasPrefix("POST /v1/hello") && !$0.lowercased().contains("cookie") })
    }

    @Test func aBodyWithoutEndIsCutOff() async throws {
        let server = try LoopbackServer(status: "200 OK", headers: [], body: Data(count: 6 << 20))
        defer { server.stop() }
        let answer = await transport.post(request(server.url("/")))
        #expect(answer?.status == 200 && answer?.body.count == HTTPAnswer.mostBytes)
    }

    @Test func nobodyThereIsNoAnswer() async throws {
        let server = try LoopbackServer(status: "200 OK", headers: [], body: Data())
        server.stop()
        #expect(await transport.post(request(server.url("/"))) == nil)
        #expect(await transport.post(request("not a url")) == nil)
    }

    @Test func anAnswerThatBreaksOffIsNone() async throws {
        let server = try LoopbackServer(answering: Data("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".utf8))
        defer { server.stop() }
        #expect(await transport.post(request(server.url("/"))) == nil)
    }

    @Test(.timeLimit(.minutes(1))) func anAnswerInDropsIsGivenUpAfterTheTotal() async throws {
        let head = Data("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".utf8)
        let server = try LoopbackServer(answering: head, dripping: true)
        defer { server.stop() }
        let impatient = URLSessionTransport(timeout: .seconds(30), total: .milliseconds(300))
        #expect(await impatient.post(request(server.url("/"))) == nil)
        #expect(server.requests.count == 1)
    }

    @Test(.timeLimit(.minutes(1))) func cancellingAtAnyMomentEndsTheRequest() async throws {
        let head = Data("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".utf8)
        let server = try LoopbackServer(answering: head, dripping: true)
        defer { server.stop() }
        for turn in 0..<300 {
            let posting = Task { await transport.post(request(server.url("/"))) }
            for _ in 0..<turn { await Task.yield() }
            posting.cancel()
            #expect(await posting.value == nil)
        }
    }

    @Test(.timeLimit(.minutes(1))) func cancellingGivesNoAnswer() async throws {
        let silent = try LoopbackServer(answering: Data("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".utf8))
        defer { silent.stop() }
        let posting = Task { [self] in
            while !Task.isCancelled { await Task.yield() }
            return await transport.post(request(silent.url("/")))
        }
        posting.cancel()
        #expect(await posting.value == nil)
    }
}
