package dev.roadbook

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.fail
import java.io.File
import java.nio.file.Files
import kotlin.time.Duration.Companion.seconds

/** A folder for a book and, apart from it, one for its key; both gone after the test. */
internal class TestFolder : AutoCloseable {
    private val root: File = Files.createTempDirectory("roadbook").toFile()
    val dir: File = root.resolve("book")
    val vault: FileKeyVault = FileKeyVault(root.resolve("keys"))

    fun file(name: String, text: String = ""): File = root.resolve(name).apply { writeText(text) }

    fun path(name: String): File = root.resolve(name)

    override fun close() {
        root.deleteRecursively()
    }
}

/** Runs a test with a new book and closes it after. */
internal fun withBook(test: suspend CoroutineScope.(Book, TestFolder) -> Unit): Unit = withFolder { folder ->
    val book = Book.create(folder.dir, folder.vault)
    try {
        test(book, folder)
    } finally {
        book.shutdown()
    }
}

internal fun withFolder(test: suspend CoroutineScope.(TestFolder) -> Unit) {
    TestFolder().use { folder -> runBlocking { withTimeout(60.seconds) { test(folder) } } }
}

/** The exception that [call] throws; fails where it throws none or another. */
internal suspend inline fun <reified E : Throwable> thrown(call: () -> Unit): E {
    try {
        call()
    } catch (exception: Throwable) {
        return exception as? E ?: throw exception
    }
    fail("nothing was thrown")
}

internal suspend fun Book.savedDeal(title: String = "Pumps"): Deal = save(newDeal().copy(title = title))

/** [count] cards with names of their own. */
internal fun cards(count: Int): String = (1..count).joinToString("") {
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-$it\r\nN:Person$it;A;;;\r\nFN:A Person$it\r\nEND:VCARD\r\n"
}
