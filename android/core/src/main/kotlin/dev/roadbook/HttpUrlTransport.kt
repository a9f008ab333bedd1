package dev.roadbook

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeoutOrNull
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.io.InputStream
import java.net.HttpURLConnection
import java.net.URL
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * The transport of the platform's own HTTP client, on Android and on the JVM. Works on threads of `Dispatchers.IO`.
 *
 * On Android the app needs the `INTERNET` permission, and a plain `http` address an exception in its network security
 * configuration; without the exception the server counts as unreachable.
 *
 * @param connectTimeout how long to wait for a connection.
 * @param readTimeout how long to wait for the next piece of an answer.
 * @param total how long a request may take from its beginning to its whole answer.
 */
public class HttpUrlTransport(
    private val connectTimeout: Duration = 15.seconds,
    private val readTimeout: Duration = 30.seconds,
    private val total: Duration = 300.seconds,
) : Transport {
    override suspend fun post(request: HttpRequest): HttpAnswer? = withTimeoutOrNull(total) {
        val connection = try {
            prepared(request)
        } catch (_: IOException) {
            return@withTimeoutOrNull null
        }
        // No child of the caller: a thread that looks up a name or connects cannot be interrupted, and nobody waits for it.
        val apart = CoroutineScope(Dispatchers.IO)
        val exchange = apart.async {
            try {
                connection.exchange(request.body) { ensureActive() }
            } finally {
                // Closed here too: while it connects there is nothing yet that another thread could close.
                if (!isActive) connection.disconnect()
            }
        }
        var whole = false
        try {
            exchange.await().also { whole = it.body.size <= HttpAnswer.MOST }
        } catch (_: IOException) {
            null
        } finally {
            // After a whole answer the connection stays, for the next request.
            if (!whole) {
                exchange.cancel()
                // Closing the socket under a blocked reader does what interrupting cannot, and may wait for it.
                apart.launch { connection.disconnect() }
            }
        }
    }

    private fun prepared(request: HttpRequest): HttpURLConnection {
        val connection = opening { URL(request.url).openConnection() } as? HttpURLConnection ?: throw IOException("not an HTTP address")
        connection.requestMethod = "POST"
        connection.instanceFollowRedirects = false
        connection.useCaches = false
        connection.doOutput = true
        connection.connectTimeout = connectTimeout.forSocket()
        connection.readTimeout = readTimeout.forSocket()
        connection.setRequestProperty("content-type", request.contentType)
        connection.setRequestProperty("accept", request.contentType)
        request.authorization?.let { connection.setRequestProperty("authorization", it) }
        return connection
    }
}

/** Not streamed: a streamed request cannot read the body of a 401. `goOn` throws where the caller has given up. */
private fun HttpURLConnection.exchange(body: ByteArray, goOn: () -> Unit): HttpAnswer {
    opening { connect() }
    // What was given up while it connected is not sent after all.
    goOn()
    outputStream.use { it.write(body) }
    val status = responseCode
    val stream = if (status >= HttpURLConnection.HTTP_BAD_REQUEST) errorStream else inputStream
    val read = stream?.use { it.atMost(HttpAnswer.MOST + 1, goOn) } ?: ByteArray(0)
    // The JDK takes a connection that breaks off for the end of the body.
    if (read.size < minOf(contentLengthLong, HttpAnswer.MOST.toLong())) throw IOException("the answer broke off")
    return HttpAnswer(status, contentType, read)
}

/** The client says so of an address that it cannot take, such as one with a port of six digits. */
private inline fun <T> opening(open: () -> T): T = try {
    open()
} catch (cause: IllegalArgumentException) {
    throw IOException("not an address", cause)
}

private fun InputStream.atMost(limit: Int, goOn: () -> Unit): ByteArray {
    val read = ByteArrayOutputStream()
    val piece = ByteArray(16 * 1024)
    while (read.size() < limit) {
        goOn()
        val count = read(piece, 0, minOf(piece.size, limit - read.size()))
        if (count < 0) break
        read.write(piece, 0, count)
    }
    return read.toByteArray()
}

/** Zero would mean for ever. */
private fun Duration.forSocket(): Int = inWholeMilliseconds.coerceIn(1, Int.MAX_VALUE.toLong()).toInt()
