package dev.roadbook

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
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
 */
public class HttpUrlTransport(
    private val connectTimeout: Duration = 15.seconds,
    private val readTimeout: Duration = 30.seconds,
) : Transport {
    override suspend fun post(request: HttpRequest): HttpAnswer? = withContext(Dispatchers.IO) {
        val connection = try {
            prepared(request)
        } catch (_: IOException) {
            return@withContext null
        }
        var over = false
        // A blocked socket notices no cancellation: closing it under the reader does what interrupting cannot.
        val hangUp = launch(start = CoroutineStart.UNDISPATCHED) {
            try {
                awaitCancellation()
            } finally {
                // After a whole answer the connection stays, for the next request.
                if (!over) connection.disconnect()
            }
        }
        try {
            connection.exchange(request.body).also { over = it.body.size <= HttpAnswer.MOST }
        } catch (_: IOException) {
            ensureActive()
            null
        } finally {
            hangUp.cancel()
        }
    }

    private fun prepared(request: HttpRequest): HttpURLConnection {
        val connection = URL(request.url).openConnection() as? HttpURLConnection ?: throw IOException("not an HTTP address")
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

/** Not streamed: a streamed request cannot read the body of a 401. */
private fun HttpURLConnection.exchange(body: ByteArray): HttpAnswer {
    outputStream.use { it.write(body) }
    val status = responseCode
    val stream = if (status >= HttpURLConnection.HTTP_BAD_REQUEST) errorStream else inputStream
    val read = stream?.use { it.atMost(HttpAnswer.MOST + 1) } ?: ByteArray(0)
    // The JDK takes a connection that breaks off for the end of the body.
    if (read.size < minOf(contentLengthLong, HttpAnswer.MOST.toLong())) throw IOException("the answer broke off")
    return HttpAnswer(status, contentType, read)
}

private fun InputStream.atMost(limit: Int): ByteArray {
    val read = ByteArrayOutputStream()
    val piece = ByteArray(16 * 1024)
    while (read.size() < limit) {
        val count = read(piece, 0, minOf(piece.size, limit - read.size()))
        if (count < 0) break
        read.write(piece, 0, count)
    }
    return read.toByteArray()
}

/** Zero would mean for ever. */
private fun Duration.forSocket(): Int = inWholeMilliseconds.coerceIn(1, Int.MAX_VALUE.toLong()).toInt()
