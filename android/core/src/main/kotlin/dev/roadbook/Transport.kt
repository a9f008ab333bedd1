package dev.roadbook

/**
 * Sends one request of a sync, and nothing more: no retries, no redirects, no cookies, no cache. The core decides what an
 * answer means, whatever its status.
 *
 * [HttpUrlTransport] is the one without dependencies; an app that has an HTTP client of its own adapts it in a few lines.
 */
public fun interface Transport {
    /**
     * Posts the request's body to its address, with its `content-type`, the same as `accept`, and its `authorization` where
     * it has one. Returns the answer, or null where none came; an `IOException` counts as null. Suspends or moves to threads
     * of its own, since it is called where the sync was. Cancelling it gives up the request.
     *
     * At most [HttpAnswer.MOST] + 1 bytes of a body need to be read.
     */
    public suspend fun post(request: HttpRequest): HttpAnswer?
}

/** What came back for a request. */
public class HttpAnswer(
    /** The HTTP status. */
    public val status: Int,
    /** The `content-type`, if there was one. */
    public val contentType: String?,
    /** The body, also of an error. */
    public val body: ByteArray,
) {
    public companion object {
        /** The longest body of an answer of the protocol, in bytes; a longer one is somebody else's. */
        public const val MOST: Int = 4 shl 20
    }
}
