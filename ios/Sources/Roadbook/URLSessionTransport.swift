import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Sends requests with `URLSession`, without cookies, caches, stored passwords or redirects.
public final class URLSessionTransport: Transport {
    /// One for the whole app: it keeps connections open between the requests of a sync.
    public static let shared = URLSessionTransport()

    private let session: URLSession
    private let total: Duration
    private let receiver = Receiver()

    /// A transport with connections of its own. `timeout` is how long an answer may stall, `total` how long it may take.
    public init(timeout: Duration = .seconds(30), total: Duration = .seconds(300)) {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = timeout.inSeconds
        configuration.timeoutIntervalForResource = total.inSeconds
        configuration.requestCachePolicy = .reloadIgnoringLocalCacheData
        configuration.urlCache = nil
        configuration.urlCredentialStorage = nil
        configuration.httpCookieStorage = nil
        configuration.httpCookieAcceptPolicy = .never
        configuration.httpShouldSetCookies = false
        self.total = total
        session = URLSession(configuration: configuration, delegate: receiver, delegateQueue: nil)
    }

    deinit {
        session.finishTasksAndInvalidate()
    }

    /// See ``Transport/post(_:)``.
    public func post(_ request: HTTPRequest) async -> HTTPAnswer? {
        guard let url = URL(string: request.url), !Task.isCancelled else { return nil }
        var post = URLRequest(url: url)
        post.httpMethod = "POST"
        post.httpBody = request.body
        post.setValue(request.contentType, forHTTPHeaderField: "Content-Type")
        post.setValue(request.contentType, forHTTPHeaderField: "Accept")
        post.setValue(request.authorization, forHTTPHeaderField: "Authorization")
        let task = session.dataTask(with: post)
        // By a clock of its own: Foundation on Linux has no bound for the whole.
        let bound = Task { [receiver, total] in
            if (try? await Task.sleep(for: total)) != nil { receiver.giveUp(task) }
        }
        defer { bound.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                receiver.expect(task, continuation)
                // Cancelled before it was expected: the end of the task may have come already, and found nobody.
                if Task.isCancelled { receiver.giveUp(task) }
                task.resume()
            }
        } onCancel: {
            receiver.giveUp(task)
        }
    }
}

/// Gathers what comes for each task, up to the bound.
private final class Receiver: NSObject, URLSessionDataDelegate, Sendable {
    private struct Arrival {
        let continuation: CheckedContinuation<HTTPAnswer?, Never>
        var body = Data()
        var full: Bool { body.count >= HTTPAnswer.mostBytes }
    }

    private let arrivals = Locked<[Int: Arrival]>([:])

    func expect(_ task: URLSessionTask, _ continuation: CheckedContinuation<HTTPAnswer?, Never>) {
        arrivals.withLock { $0[task.taskIdentifier] = Arrival(continuation: continuation) }
    }

    /// Answers with nothing, if nothing has been answered yet, and ends the task.
    func giveUp(_ task: URLSessionTask) {
        arrivals.withLock { $0.removeValue(forKey: task.taskIdentifier) }?.continuation.resume(returning: nil)
        task.cancel()
    }

    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest,
        completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        let full = arrivals.withLock { arrivals in
            guard var arrival = arrivals.removeValue(forKey: dataTask.taskIdentifier) else { return false }
            arrival.body.append(data.prefix(HTTPAnswer.mostBytes - arrival.body.count))
            arrivals[dataTask.taskIdentifier] = arrival
            return arrival.full
        }
        if full { dataTask.cancel() }
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        guard let arrival = arrivals.withLock({ $0.removeValue(forKey: task.taskIdentifier) }) else { return }
        guard error == nil || arrival.full, let response = task.response as? HTTPURLResponse else {
            arrival.continuation.resume(returning: nil)
            return
        }
        arrival.continuation.resume(returning: HTTPAnswer(
            status: UInt16(clamping: response.statusCode),
            contentType: response.value(forHTTPHeaderField: "Content-Type"),
            body: arrival.body
        ))
    }
}
