package dev.roadbook

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Test
import java.util.concurrent.CountDownLatch
import java.util.concurrent.atomic.AtomicReference

/** The caller's thread stays free, and long calls hold up no short ones. */
class ThreadsTest {
    @Test
    fun `keys, writes and long calls run on other threads than the caller's`() = withFolder { folder ->
        val caller = Thread.currentThread()
        var keys = caller
        val vault = object : KeyVault {
            override suspend fun create(): Vault = folder.vault.create().also { keys = Thread.currentThread() }
            override suspend fun open(): Vault = folder.vault.open()
        }
        val book = Book.create(folder.dir, vault)
        assertNotEquals(caller, keys)

        val wrote = AtomicReference(caller)
        val watch = book.engine.core.watch(object : ChangeObserver {
            override fun changed(notice: ChangeNotice) = wrote.set(Thread.currentThread())
        })
        book.savedDeal()
        assertNotEquals(caller, wrote.get())
        watch.close()

        var imported = caller
        book.importVCard(folder.file("many.vcf", cards(150))) {
            imported = Thread.currentThread()
            true
        }
        assertNotEquals(caller, imported)
        assertEquals(caller, Thread.currentThread())
        book.shutdown()
    }

    @Test
    fun `reading and saving do not wait for an import`() = withBook { book, folder ->
        val file = folder.file("many.vcf", cards(150))
        val reached = CompletableDeferred<Unit>()
        val goOn = CountDownLatch(1)
        val importing = launch {
            book.importVCard(file) {
                reached.complete(Unit)
                goOn.await()
                true
            }
        }
        reached.await()
        val deal = book.savedDeal()
        assertEquals(deal.id, book.deals().items.single().id)
        assertEquals(100, book.contacts(limit = 1000).items.size)
        assertFalse(importing.isCompleted)
        goOn.countDown()
        importing.join()
        assertEquals(150, book.contacts(limit = 1000).items.size)
    }
}
