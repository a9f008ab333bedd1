package dev.roadbook

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.FileSystems
import java.nio.file.Files
import java.nio.file.attribute.PosixFilePermissions
import java.util.concurrent.CountDownLatch

/** Creating, opening, closing, and the keys. */
class OpeningTest {
    @Test
    fun `open never creates and create never replaces`() = withFolder { folder ->
        folder.vault.create()
        thrown<BookException.NoBook> { Book.open(folder.dir, folder.vault) }
        val book = Book.create(folder.dir, folder.vault)
        val deal = book.savedDeal()
        book.shutdown()
        thrown<BookException.BookExists> { Book.create(folder.dir, folder.vault) }
        val again = Book.open(folder.dir, folder.vault)
        assertEquals(deal, again.deal(deal.id))
        again.shutdown()
    }

    @Test
    fun `a wrong key, a lost key and a locked device are three things`() = withFolder { folder ->
        Book.create(folder.dir, folder.vault).shutdown()
        val other = FileKeyVault(folder.path("other"))
        thrown<BookException.KeyLost> { Book.open(folder.dir, other) }
        other.create()
        thrown<BookException.WrongKey> { Book.open(folder.dir, other) }
        val locked = object : KeyVault {
            override suspend fun create(): Vault = throw BookException.KeyUnavailable()
            override suspend fun open(): Vault = throw BookException.KeyUnavailable()
        }
        thrown<BookException.KeyUnavailable> { Book.open(folder.dir, locked) }
        Book.open(folder.dir, folder.vault).shutdown()
    }

    @Test
    fun `a closed book says so, and closing it again does nothing`() = withBook { book, _ ->
        val deal = book.savedDeal()
        val observed = async { book.changes().toList() }
        book.shutdown()
        book.shutdown()
        thrown<BookException.Closed> { book.deal(deal.id) }
        thrown<BookException.Closed> { book.save(deal) }
        thrown<BookException.Closed> { book.deals() }
        thrown<BookException.Closed> { book.check() }
        thrown<BookException.Closed> { book.sync() }
        assertEquals(emptyList<ChangeNotice>(), observed.await())
        assertEquals(emptyList<ChangeNotice>(), book.changes().toList())
    }

    @Test
    fun `shutdown stops an import at its batch`() = withBook { book, folder ->
        val file = folder.file("many.vcf", cards(350))
        var closing = false
        thrown<BookException.Closed> {
            book.importVCard(file) {
                if (!closing) {
                    closing = true
                    book.engine.close()
                }
                true
            }
        }
        assertTrue(closing)
        val again = Book.open(folder.dir, folder.vault)
        assertEquals(100uL, again.status().records)
        again.shutdown()
    }

    @Test
    fun `shutdown waits for readers, and they hear that the book is closed`() = withBook { book, folder ->
        book.importVCard(folder.file("many.vcf", cards(350)))
        val read = CountDownLatch(4)
        val readers = List(4) {
            async(Dispatchers.Default) {
                thrown<BookException.Closed> {
                    while (true) {
                        book.contacts(limit = 1000)
                        read.countDown()
                    }
                }
            }
        }
        withContext(Dispatchers.IO) { read.await() }
        book.shutdown()
        readers.awaitAll()
        Book.open(folder.dir, folder.vault).shutdown()
    }

    @Test
    fun `the key is overwritten when the book is open`() = withFolder { folder ->
        val given = folder.vault.create()
        val vault = object : KeyVault {
            override suspend fun create() = given
            override suspend fun open() = given
        }
        Book.create(folder.dir, vault).shutdown()
        assertArrayEquals(ByteArray(32), given.key)
        Book.open(folder.dir, folder.vault).shutdown()
    }

    @Test
    fun `the file vault makes its files for its owner alone, and once`() = withFolder { folder ->
        val first = folder.vault.create()
        assertArrayEquals(first.key, folder.vault.create().key)
        assertArrayEquals(first.incarnation, folder.vault.open().incarnation)
        assertEquals(32 to 16, first.key.size to first.incarnation.size)
        val key = folder.path("keys/key").toPath()
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(key)))

        // A restored copy without its incarnation is another installation.
        Files.delete(folder.path("keys/incarnation").toPath())
        assertNotEquals(first.incarnation.toList(), folder.vault.open().incarnation.toList())
        folder.path("keys/key").writeText("short")
        thrown<BookException.KeyLost> { folder.vault.open() }
        assertFalse("key" in folder.dir.list().orEmpty())
    }

    @Test
    fun `a key is made once, however many make it at the same time`() = withFolder { folder ->
        repeat(50) { round ->
            val keys = folder.path("keys $round")
            val ready = CountDownLatch(8)
            val made = List(8) {
                async(Dispatchers.IO) {
                    ready.countDown()
                    ready.await()
                    FileKeyVault(keys).create()
                }
            }.awaitAll()
            val kept = FileKeyVault(keys).open()
            for (vault in made) {
                assertArrayEquals(kept.key, vault.key)
                assertArrayEquals(kept.incarnation, vault.incarnation)
            }
            assertEquals(setOf("key", "incarnation"), keys.list()?.toSet())
        }
    }

    @Test
    fun `a key is made once where the file system has no links`() = withFolder { folder ->
        FileSystems.newFileSystem(folder.path("disk.zip").toPath(), mapOf("create" to "true")).use { disk ->
            val made = FileKeyVault(disk.getPath("/keys")).create()
            assertArrayEquals(made.key, FileKeyVault(disk.getPath("/keys")).create().key)
            assertArrayEquals(made.incarnation, FileKeyVault(disk.getPath("/keys")).open().incarnation)
            Files.list(disk.getPath("/keys")).use { assertEquals(2, it.count()) }
        }
    }

    @Test
    fun `a key that cannot be read is not lost`() = withFolder { folder ->
        folder.path("keys/key").mkdirs()
        thrown<BookException.KeyUnavailable> { folder.vault.open() }
        thrown<BookException.KeyUnavailable> { folder.vault.create() }
    }

    @Test
    fun `an incarnation of another size is made anew`() = withFolder { folder ->
        val first = folder.vault.create()
        folder.path("keys/incarnation").writeText("short")
        val again = folder.vault.open()
        assertArrayEquals(first.key, again.key)
        assertNotEquals(first.incarnation.toList(), again.incarnation.toList())
        assertArrayEquals(again.incarnation, folder.vault.open().incarnation)
    }
}
