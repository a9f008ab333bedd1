import Foundation

/// A request to send, under the name that Swift writes: generated names have no initialisms.
public typealias HTTPRequest = HttpRequest

/// What a server, or something in its place, answered.
public struct HTTPAnswer: Sendable, Hashable {
    /// The status code.
    public var status: UInt16
    /// `content-type`, where there was one.
    public var contentType: String?
    /// The body; no more than ``HTTPAnswer/mostBytes`` of it.
    public var body: Data

    /// The longest answer of a server, and one byte: a longer one is of something else, and need not be read on.
    public static let mostBytes = (4 << 20) + 1

    /// An answer.
    public init(status: UInt16, contentType: String?, body: Data) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

/// Sends the requests of a sync. ``URLSessionTransport`` is the one for apps.
public protocol Transport: Sendable {
    /// Sends `request` with `POST`, with its `contentType` as both `content-type` and `accept`, and returns whatever
    /// answered; `nil` where nothing did. Redirects are not followed: they are answers. Called on no particular thread; a
    /// cancelled task may be answered with `nil` at once.
    func post(_ request: HTTPRequest) async -> HTTPAnswer?
}
