import Foundation
@testable import Roadbook

/// A server of this machine that gives the same answer to every request, byte for byte, and keeps what it was sent. A dripping
/// one goes on with a byte now and then, until it is stopped or nobody listens.
final class LoopbackServer: Sendable {
    private let heard = Locked<[String]>([])
    private let stopped = Locked(false)
    private let ended = DispatchSemaphore(value: 0)
    let port: UInt16

    init(answering answer: Data, dripping: Bool = false) throws {
        #if canImport(Glibc)
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
        let listener = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (heard, stopped, ended) = (heard, stopped, ended)
        let ready = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 8) == 0 && getsockname(listener, address, &length) == 0
            }
        }
        guard ready else { throw POSIXError(.EADDRNOTAVAIL) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread {
            var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            while !stopped.withLock({ $0 }) {
                guard poll(&waiting, 1, 20) > 0 else { continue }
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { continue }
                let request = Self.request(connection)
                heard.withLock { $0.append(request) }
                var heard = Self.send(answer, connection)
                while dripping, heard, !stopped.withLock({ $0 }) {
                    usleep(20_000)
                    heard = Self.send(Data([0]), connection)
                }
                close(connection)
            }
            // By the thread that listens: the number may be another server's a moment later.
            close(listener)
            ended.signal()
        }
    }

    convenience init(status: String, headers: [String], body: Data) throws {
        let head = (["HTTP/1.1 \(status)", "Content-Length: \(body.count)", "Connection: close"] + headers).joined(separator: "\r\n")
        try self.init(answering: Data((head + "\r\n\r\n").utf8) + body)
    }

    var requests: [String] { heard.withLock { $0 } }

    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    /// Returns when nobody listens any more. Once only.
    func stop() {
        stopped.withLock { $0 = true }
        ended.wait()
    }

    /// Head and body, where the head tells the length of the body.
    private static func request(_ connection: Int32) -> String {
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return text }
            text += String(decoding: buffer[..<count], as: UTF8.self)
            guard let end = text.range(of: "\r\n\r\n") else { continue }
            let line = text.lowercased().components(separatedBy: "\r\n").first { $0.hasPrefix("content-length:") }
            let length = line.flatMap { Int($0.dropFirst("content-length:".count).trimmingCharacters(in: .whitespaces)) } ?? 0
            if text[end.upperBound...].utf8.count >= length { return text }
        }
    }

    /// Whether all of it went.
    private static func send(_ answer: Data, _ connection: Int32) -> Bool {
        #if canImport(Glibc)
        let flags = Int32(MSG_NOSIGNAL)
        #else
        let flags: Int32 = 0
        var on: Int32 = 1
        setsockopt(connection, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
        #endif
        return answer.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                #if canImport(Glibc)
                let sent = Glibc.send(connection, part.baseAddress, part.count, flags)
                #else
                let sent = Darwin.send(connection, part.baseAddress, part.count, flags)
                #endif
                guard sent > 0 else { return false }
                rest = rest.dropFirst(sent)
            }
            return true
        }
    }
}
