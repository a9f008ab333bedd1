package dev.roadbook

import com.sun.net.httpserver.HttpExchange
import com.sun.net.httpserver.HttpServer
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.ServerSocket
import java.nio.channels.SocketChannel
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

private const val TYPE = "application/x-test"

/** The default transport against a real HTTP server of the JDK. */
class HttpUrlTransportTest {
    private val threads = Executors.newCachedThreadPool()
    private val server = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0)
    private val asked = CopyOnWriteArrayList<HttpExchange>()
    private val bodies = CopyOnWriteArrayList<ByteArray>()

    @AfterEach
    fun stop() {
        server.stop(0)
        threads.shutdownNow()
    }

    private fun serve(answer: HttpExchange.() -> Unit) {
        server.executor = threads
        server.createContext("/") { exchange ->
            asked += exchange
            bodies += exchange.requestBody.readBytes()
            exchange.use { it.answer() }
        }
        server.start()
    }

    private fun HttpExchange.send(status: Int, body: ByteArray, type: String = TYPE) {
        responseHeaders.add("content-type", type)
        sendResponseHeaders(status, if (body.isEmpty()) -1 else body.size.toLong())
        responseBody.write(body)
    }

    private fun request(body: ByteArray = byteArrayOf(1, 0, -1), authorization: String? = "Bearer t", port: Int = server.address.port) =
        HttpRequest("http://127.0.0.1:$port/v1/sync", TYPE, authorization, body)

    private fun test(body: suspend (Transport) -> Unit) = runBlocking { withTimeout(30.seconds) { body(HttpUrlTransport()) } }

    @Test
    fun `a request arrives as the core made it`() = test { transport ->
        serve { send(200, byteArrayOf(7, 8)) }
        val answer = checkNotNull(transport.post(request()))
        assertEquals(200, answer.status)
        assertEquals(TYPE, answer.contentType)
        assertArrayEquals(byteArrayOf(7, 8), answer.body)
        val sent = asked.single()
        assertEquals("POST", sent.requestMethod)
        assertEquals(listOf(TYPE), sent.requestHeaders["content-type"])
        assertEquals(listOf(TYPE), sent.requestHeaders["accept"])
        assertEquals(listOf("Bearer t"), sent.requestHeaders["authorization"])
        assertArrayEquals(byteArrayOf(1, 0, -1), bodies.single())
        transport.post(request(authorization = null))
        assertNull(asked.last().requestHeaders["authorization"])
    }

    @Test
    fun `a redirect is an answer and is not followed`() = test { transport ->
        serve {
            responseHeaders.add("location", "/elsewhere")
            send(307, "moved".toByteArray(), "text/plain")
        }
        val answer = checkNotNull(transport.post(request()))
        assertEquals(307, answer.status)
        assertEquals("text/plain", answer.contentType)
        assertEquals(1, asked.size)
    }

    @Test
    fun `the body of an error is read`() = test { transport ->
        val status = mutableListOf(413, 401, 404, 500, 503)
        serve { send(status.removeFirst(), "why".toByteArray()) }
        for (expected in listOf(413, 401, 404, 500, 503)) {
            val answer = checkNotNull(transport.post(request()))
            assertEquals(expected, answer.status)
            assertEquals("why", answer.body.decodeToString())
        }
    }

    @Test
    fun `an answer without a body has an empty one`() = test { transport ->
        val status = mutableListOf(200, 500)
        serve { sendResponseHeaders(status.removeFirst(), -1) }
        repeat(2) { assertEquals(0, transport.post(request())?.body?.size) }
    }

    @Test
    fun `a body that is too long is cut`() = test { transport ->
        serve {
            sendResponseHeaders(200, 0)
            // Without an end: whoever reads on, reads for ever.
            while (true) responseBody.write(ByteArray(64 * 1024))
        }
        assertEquals(HttpAnswer.MOST + 1, transport.post(request())?.body?.size)
    }

    @Test
    fun `nobody there, a name that is none and a broken answer are no answer`() = test { transport ->
        val free = ServerSocket(0, 1, InetAddress.getLoopbackAddress()).use { it.localPort }
        assertNull(transport.post(request(port = free)))
        assertNull(transport.post(request().copy(url = "http://no-such-host.invalid/v1/sync")))
        assertNull(transport.post(request().copy(url = "nonsense")))
        assertNull(transport.post(request().copy(url = "http://127.0.0.1:84433/v1/sync")))
        serve {
            sendResponseHeaders(200, 100)
            responseBody.write(1)
            responseBody.flush()
            error("the server dies")
        }
        assertNull(transport.post(request()))
    }

    @Test
    fun `a server that says nothing is given up after the timeout`() = test { _ ->
        val silent = CountDownLatch(1)
        serve { silent.await() }
        assertNull(HttpUrlTransport(readTimeout = 200.milliseconds).post(request()))
        silent.countDown()
    }

    @Test
    fun `an answer that comes in drops is given up after the total`() = test { _ ->
        val enough = CountDownLatch(1)
        serve {
            sendResponseHeaders(200, 1000)
            do {
                responseBody.write(1)
                responseBody.flush()
            } while (!enough.await(20, TimeUnit.MILLISECONDS))
        }
        assertNull(HttpUrlTransport(total = 300.milliseconds).post(request()))
        enough.countDown()
    }

    @Test
    fun `cancelling gives up a request that connects`() = runBlocking {
        // With its queue full, the listener lets nobody else connect.
        ServerSocket(0, 1, InetAddress.getLoopbackAddress()).use { full ->
            val queue = List(2) { SocketChannel.open().apply { configureBlocking(false) } }
            queue.forEach { it.connect(full.localSocketAddress) }
            val connecting = launch { HttpUrlTransport(connectTimeout = 60.seconds).post(request(port = full.localPort)) }
            delay(200.milliseconds)
            assertTrue(connecting.isActive)
            withTimeout(10.seconds) { connecting.cancelAndJoin() }
            queue.forEach { it.close() }
        }
    }

    @Test
    fun `cancelling gives up a request that waits`() = runBlocking {
        val silent = CountDownLatch(1)
        val arrived = CompletableDeferred<Unit>()
        serve {
            arrived.complete(Unit)
            silent.await()
        }
        val waiting = launch { HttpUrlTransport(readTimeout = 60.seconds).post(request()) }
        arrived.await()
        withTimeout(5.seconds) { waiting.cancelAndJoin() }
        assertTrue(waiting.isCancelled)
        silent.countDown()
    }
}
