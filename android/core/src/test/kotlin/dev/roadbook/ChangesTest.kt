package dev.roadbook

import dev.roadbook.ids.RecordIdentifier
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.async
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration.Companion.milliseconds

/** What observers hear. */
class ChangesTest {
    @Test
    fun `one commit is one notice with all its records`() = withBook { book, _ ->
        val heard = Channel<ChangeNotice>(Channel.UNLIMITED)
        val observing = launch(start = CoroutineStart.UNDISPATCHED) { book.changes().collect(heard::send) }
        val deals = List(3) { book.newDeal().copy(title = "Deal $it") }
        book.apply(deals.map { it.toEdit() }, why = "plan")
        val notice = heard.receive()
        assertEquals(listOf(Kind.DEAL), notice.kinds)
        assertEquals(deals.map { it.toLink() }.toSet(), notice.records?.toSet())
        delay(50.milliseconds)
        assertTrue(heard.tryReceive().isFailure)
        observing.cancelAndJoin()
    }

    @Test
    fun `what comes while the collector is busy is one notice, and nothing is lost`() = withBook { book, _ ->
        val heard = mutableListOf<ChangeNotice>()
        val first = CompletableDeferred<Unit>()
        val goOn = CompletableDeferred<Unit>()
        val observing = launch(start = CoroutineStart.UNDISPATCHED) {
            book.changes(Kind.DEAL).collect {
                heard += it
                first.complete(Unit)
                goOn.await()
            }
        }
        book.savedDeal("first")
        first.await()
        book.save(book.newTask().copy(title = "not observed"))
        val burst = List(20) { book.savedDeal("Deal $it").toLink() }
        goOn.complete(Unit)
        while (heard.size < 2) delay(5.milliseconds)
        assertEquals(burst.toSet(), heard[1].records?.toSet())
        assertEquals(listOf(Kind.DEAL), heard[1].kinds)
        delay(50.milliseconds)
        assertEquals(2, heard.size)
        observing.cancelAndJoin()
    }

    @Test
    fun `many records are many, whether in one commit or merged`() {
        val mailbox = Mailbox(null)
        fun links(range: IntRange) = range.map { RecordLink(Kind.DEAL, RecordIdentifier("deal $it")) }
        mailbox.changed(ChangeNotice(listOf(Kind.DEAL), links(1..200)))
        mailbox.changed(ChangeNotice(listOf(Kind.DEAL), links(1..200)))
        assertEquals(200, mailbox.take()?.records?.size)
        assertNull(mailbox.take())
        mailbox.changed(ChangeNotice(listOf(Kind.DEAL), links(1..200)))
        mailbox.changed(ChangeNotice(listOf(Kind.TASK), links(201..300)))
        assertEquals(ChangeNotice(listOf(Kind.DEAL, Kind.TASK), null), mailbox.take())
    }

    @Test
    fun `a cancelled collector hears nothing more`() = withBook { book, _ ->
        val heard = mutableListOf<ChangeNotice>()
        val observing = launch(start = CoroutineStart.UNDISPATCHED) { book.changes().collect(heard::add) }
        observing.cancelAndJoin()
        book.savedDeal()
        delay(50.milliseconds)
        assertTrue(heard.isEmpty())
    }

    @Test
    fun `another process's commit is noticed within seconds`() = withBook { book, folder ->
        val notice = async(start = CoroutineStart.UNDISPATCHED) { book.changes(Kind.TASK).first() }
        val other = Book.open(folder.dir, folder.vault)
        other.save(other.newTask().copy(title = "Call"))
        assertNull(notice.await().records)
        other.shutdown()
        assertEquals("Call", book.tasks().items.single().title)
    }

    @Test
    fun `an observer may read and save`() = withBook { book, _ ->
        val done = async(start = CoroutineStart.UNDISPATCHED) {
            val link = checkNotNull(book.changes(Kind.DEAL).first().records).single()
            book.save(book.newTask().copy(title = "Follow up", links = listOf(link)))
        }
        val deal = book.savedDeal()
        assertEquals(listOf(deal.toLink()), done.await().links)
    }
}
