package dev.roadbook

import kotlinx.coroutines.delay
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration.Companion.milliseconds

/** What came whole from the server is opened in the background, between devices that meet through the real server. */
class VerificationTest {
    private suspend fun Book.done() = assertTrue(sync() is SyncEnd.Done)

    @Test
    fun `a new device shows the conflicts of others when it has synced`() = withFolder { folder ->
        TestServer(folder.path("server"), "Anna", "Boris", "Clara").use { server ->
            suspend fun join(person: String): Book {
                val book = Book.create(folder.path(person), FileKeyVault(folder.path("$person.keys")))
                assertTrue(book.join(server.url, server.invite(person), "$person's phone") is SyncEnd.Done)
                return book
            }
            val (anna, boris) = join("Anna") to join("Boris")
            val deal = anna.savedDeal("Pumps")
            anna.done()
            boris.done()
            anna.save(anna.deal(deal.id).copy(title = "Two pumps"))
            boris.save(boris.deal(deal.id).copy(title = "Three pumps"))
            repeat(2) {
                anna.done()
                boris.done()
            }
            assertEquals(listOf(deal.toLink()), anna.disputed())

            val clara = join("Clara")
            while (clara.disputed().isEmpty()) delay(10.milliseconds)
            assertEquals(listOf(deal.toLink()), clara.disputed())
            assertEquals(1uL, clara.status().disputed)
            for (book in listOf(anna, boris, clara)) book.shutdown()
        }
    }

    @Test
    fun `many records are checked to the last one, also after a restart`() = withFolder { folder ->
        TestServer(folder.path("server"), "Anna", "Boris").use { server ->
            val anna = Book.create(folder.path("anna"), folder.vault)
            anna.importVCard(folder.file("many.vcf", cards(230)))
            anna.join(server.url, server.invite("Anna"), "Anna's phone")
            val vault = FileKeyVault(folder.path("boris.keys"))
            val boris = Book.create(folder.path("boris"), vault)
            boris.join(server.url, server.invite("Boris"), "Boris's phone")
            boris.shutdown()

            val again = Book.open(folder.path("boris"), vault)
            again.done()
            while (again.engine.core.verifySome(0u) > 0uL) delay(10.milliseconds)
            assertEquals(230, again.contacts(limit = 1000).items.size)
            again.shutdown()
            anna.shutdown()
        }
    }
}
