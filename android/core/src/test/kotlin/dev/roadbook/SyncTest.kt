package dev.roadbook

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.IOException
import kotlin.time.Duration.Companion.seconds

private val NOBODY = Transport { error("nothing is to be sent") }

/** Sessions over a transport that answers as the test says. */
class SyncTest {
    private suspend fun Book.joinOver(transport: Transport) = join("http://127.0.0.1:1", "code", "Test phone", transport)

    @Test
    fun `a device that never joined is told to, and sends nothing`() = withBook { book, _ ->
        val end = book.sync(deadline = 25.seconds, transport = NOBODY) as SyncEnd.Rejoin
        assertEquals(RejoinReason.NOT_JOINED, end.reason)
        assertEquals(0u, end.report.requests)
        assertEquals(end.report, (end as SyncEnd).report)
    }

    @Test
    fun `a captive portal is not the server`() = withBook { book, _ ->
        val asked = mutableListOf<HttpRequest>()
        val end = book.joinOver {
            asked += it
            HttpAnswer(200, "text/html", "<html>Welcome to the hotel</html>".toByteArray())
        } as SyncEnd.Wait
        assertEquals(WaitReason.NOT_THE_SERVER, end.reason)
        assertTrue(end.afterMs > 0u)
        assertEquals("http://127.0.0.1:1/v1/hello", asked.single().url)
        assertNull(asked.single().authorization)
        assertEquals(33uL, end.report.bytesDown)
        assertEquals(asked.single().body.size.toULong(), end.report.bytesUp)
        assertNull(book.status().workspace)
    }

    @Test
    fun `an answer that is no HTTP at all is not the server's either`() = withBook { book, _ ->
        val end = book.joinOver { HttpAnswer(-1, null, ByteArray(0)) } as SyncEnd.Wait
        assertEquals(WaitReason.NOT_THE_SERVER, end.reason)
    }

    @Test
    fun `no answer is no connection, said or thrown`() = withBook { book, _ ->
        assertEquals(WaitReason.OFFLINE, (book.joinOver { null } as SyncEnd.Wait).reason)
        assertEquals(WaitReason.OFFLINE, (book.joinOver { throw IOException("cable") } as SyncEnd.Wait).reason)
        assertEquals(WaitReason.OFFLINE, (book.joinOver(HttpUrlTransport()) as SyncEnd.Wait).reason)
    }

    @Test
    fun `an address that is none is the form's problem`() = withBook { book, _ ->
        val invalid = thrown<BookException.Invalid> { book.join("crm.example", "code", "Test phone", NOBODY) }
        assertEquals("url", invalid.problems.single().field)
    }

    @Test
    fun `one sync at a time, and a cancelled one gives way at once`() = withBook { book, _ ->
        val sending = CompletableDeferred<Unit>()
        val hanging = launch {
            book.joinOver {
                sending.complete(Unit)
                awaitCancellation()
            }
        }
        sending.await()
        thrown<BookException.Busy> { book.sync(transport = NOBODY) }
        val deal = book.savedDeal()
        hanging.cancelAndJoin()
        assertTrue(hanging.isCancelled)
        assertTrue(book.sync(transport = NOBODY) is SyncEnd.Rejoin)
        assertEquals(deal, book.deal(deal.id))
    }

    @Test
    fun `a transport that fails otherwise gives way as well`() = withBook { book, _ ->
        thrown<IllegalStateException> { book.joinOver(NOBODY) }
        assertTrue(book.sync(transport = NOBODY) is SyncEnd.Rejoin)
    }

    @Test
    fun `shutdown in the middle of a sync ends it`() = withBook { book, _ ->
        val end = book.joinOver {
            book.shutdown()
            null
        }
        assertEquals(WaitReason.OFFLINE, (end as SyncEnd.Wait).reason)
        thrown<BookException.Closed> { book.sync(transport = NOBODY) }
    }
}
