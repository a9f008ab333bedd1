package dev.roadbook

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.util.concurrent.CountDownLatch

/** Files in and out, and the care for the store. */
class FilesTest {
    @Test
    fun `a broken card is named with its file, line and reason, and the rest is taken`() = withBook { book, folder ->
        val file = folder.file("cards.vcf", "BEGIN:VCARD\nVERSION:3.0\nN:Good;A;;;\nTHIS IS NO LINE\nEND:VCARD\n" + cards(1))
        val report = book.importVCard(file)
        assertEquals(1uL, report.broken)
        assertEquals(1uL, report.added)
        val problem = report.problems.single()
        assertEquals(file.path, problem.file)
        assertEquals(1uL, problem.line)
        assertEquals(4uL, problem.faultLine)
        assertTrue(problem.reason.isNotBlank())
        assertEquals(1uL, book.importVCard(file).unchanged)
    }

    @Test
    fun `progress counts up, and saying no stops with what was taken`() = withBook { book, folder ->
        val steps = mutableListOf<ImportProgress>()
        val file = folder.file("many.vcf", cards(350))
        val report = book.importVCard(file) { steps.add(it) && steps.size < 2 }
        assertTrue(report.cancelled)
        assertEquals(listOf(100L, 200L), steps.map { it.cards })
        assertTrue(steps[0].bytes < steps[1].bytes)
        assertEquals(200uL, book.status().records)
    }

    @Test
    fun `a cancelled import stops at its batch`() = withBook { book, folder ->
        val file = folder.file("many.vcf", cards(350))
        val reached = CompletableDeferred<Unit>()
        val cancelled = CountDownLatch(1)
        val importing = launch {
            book.importVCard(file) {
                reached.complete(Unit)
                cancelled.await()
                true
            }
        }
        reached.await()
        importing.cancel()
        cancelled.countDown()
        importing.cancelAndJoin()
        // The batch under way may be the second one.
        assertTrue(book.status().records <= 200uL)
        book.savedDeal()
    }

    @Test
    fun `an exception of the progress reaches the caller`() = withBook { book, folder ->
        val file = folder.file("many.vcf", cards(150))
        assertEquals("no screen", thrown<IllegalStateException> { book.importVCard(file) { error("no screen") } }.message)
        assertEquals(100uL, book.status().records)
    }

    @Test
    fun `a missing file is an error of its own`() = withBook { book, folder ->
        thrown<BookException.File> { book.importVCard(folder.path("absent.vcf")) }
        thrown<BookException.File> { book.exportVCard(File(folder.path("absent"), "out.vcf")) }
    }

    @Test
    fun `exports hold what was there, and the checks find all well`() = withBook { book, folder ->
        book.importVCard(folder.file("many.vcf", cards(3)))
        book.savedDeal()
        assertEquals(ExportReport(3uL, emptyList()), book.exportVCard(folder.path("out.vcf")))
        assertTrue("Person2" in folder.path("out.vcf").readText())
        assertEquals(4uL, book.exportJson(folder.path("out.json")).written)
        assertTrue("Pumps" in folder.path("out.json").readText())
        assertEquals(emptyList<Finding>(), book.check())
        assertEquals(4uL, book.rebuild().records)
        assertEquals(0L, book.verifySome(10))
        assertFalse(folder.path("out.json").readText().isBlank())
    }

    @Test
    fun `a book goes on in a new one`() = withBook { book, _ ->
        val deal = book.savedDeal()
        TestFolder().use { other ->
            val rescued = Book.create(other.dir, other.vault)
            try {
                assertEquals(RescueReport(1uL, emptyList(), emptyList()), book.rescue(rescued))
                assertEquals(deal, rescued.deal(deal.id))
                thrown<BookException.BookExists> { book.rescue(rescued) }
            } finally {
                rescued.shutdown()
            }
        }
    }

    @Test
    fun `an import reads phone numbers as dialled in its own region`() = withBook { book, folder ->
        val file = folder.file("berlin.vcf", "BEGIN:VCARD\nVERSION:3.0\nFN:Eva\nTEL:030 901820\nEND:VCARD\n")
        thrown<BookException.Invalid> { book.importVCard(file, region = "Germany") }
        book.importVCard(file, region = "DE")
        assertEquals("+4930901820", book.contacts().items.single().channels.single().e164)
        assertEquals("", book.region())
    }

    @Test
    fun `a phone number is read as dialled in the region`() = withBook { book, _ ->
        assertEquals("", book.region())
        assertNull(book.newChannel(ChannelKind.Phone, "030 901820").e164)
        book.setRegion("DE")
        assertEquals("DE", book.region())
        assertEquals("+4930901820", book.newChannel(ChannelKind.Phone, "030 901820").e164)
        thrown<BookException.Invalid> { book.setRegion("Germany") }
        assertEquals(emptyList<Person>(), book.people())
        assertNull(book.status().workspace)
    }
}
