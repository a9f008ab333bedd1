/**
 * A phone for a test in another language: a program that does with a book what it reads from its input, through the public
 * Kotlin API only. How to start it and what it understands: README.md in the folder `android`.
 */
package dev.roadbook.proof

import dev.roadbook.Book
import dev.roadbook.Conflict
import dev.roadbook.Deal
import dev.roadbook.FileKeyVault
import dev.roadbook.Kind
import dev.roadbook.Money
import dev.roadbook.RecordLink
import dev.roadbook.Report
import dev.roadbook.SyncEnd
import dev.roadbook.ids.DealIdentifier
import dev.roadbook.ids.RecordIdentifier
import dev.roadbook.stageNamed
import kotlinx.coroutines.runBlocking
import java.io.File
import java.net.URLDecoder
import java.net.URLEncoder
import java.time.LocalDate
import java.util.Currency

/** Reads commands until `quit` or the end of the input; each gets one line of answer. */
fun main(): Unit = runBlocking {
    val output = System.out.bufferedWriter()
    val proof = Proof()
    for (line in System.`in`.bufferedReader().lineSequence()) {
        output.write(proof.answer(line) + "\n")
        output.flush()
        if (line == "quit") break
    }
    proof.close()
}

/** The book that the commands are about. */
internal class Proof {
    private var opened: Book? = null
    private val book: Book get() = opened ?: error("create or open a book first")

    /** `ok …` or `error CODE MESSAGE`, on one line whatever happens. */
    suspend fun answer(line: String): String = try {
        val words = line.split(' ').map(::decoded)
        "ok ${run(words.first(), words.drop(1))}".trimEnd()
    } catch (_: IndexOutOfBoundsException) {
        "error Usage a word is missing"
    } catch (failed: Exception) {
        val code = failed::class.simpleName
        "error $code ${failed.message.orEmpty().lineSequence().joinToString(" ")}".trimEnd()
    }

    suspend fun close() {
        opened?.shutdown()
        opened = null
    }

    private suspend fun run(command: String, words: List<String>): String = when (command) {
        "create" -> start(File(words[0])) { dir, vault -> Book.create(dir, vault) }
        "open" -> start(File(words[0])) { dir, vault -> Book.open(dir, vault) }
        "join" -> book.join(words[0], words[1], words[2]).written()
        "sync" -> book.sync().written()
        "import" -> with(book.importVCard(File(words[0]))) {
            "cards=$cards added=$added updated=$updated unchanged=$unchanged broken=$broken"
        }
        "find" -> book.search(words[0]).joinToString(" ") { "${it.record.written()} ${encoded(it.headline)}" }
        "add-deal" -> book.save(book.newDeal().copy(title = words[0])).id.text
        "add-task" -> with(book.newTask()) {
            book.save(copy(title = words[0], links = listOf(RecordLink(Kind.DEAL, RecordIdentifier(words[1]))))).id.text
        }
        "set-deal" -> {
            val deal = book.deal(DealIdentifier(words[0]))
            book.save(deal.with(words[1], words.getOrElse(2) { "" })).id.text
        }
        "conflicts" -> json(book.conflicts(RecordIdentifier(words[0])).map { it.fields() })
        "settle" -> settle(RecordIdentifier(words[0]), words[1], words[2])
        "dump" -> book.dump()
        "quit" -> close().let { "" }
        else -> error("no such command: $command")
    }

    private suspend fun start(dir: File, open: suspend (File, FileKeyVault) -> Book): String {
        close()
        opened = open(dir, FileKeyVault(dir.resolveSibling("${dir.name}.keys")))
        return ""
    }

    private suspend fun settle(id: RecordIdentifier, field: String, text: String): String {
        val conflict = book.conflicts(id).firstOrNull { it.field.text == field } ?: error("no conflict about $field")
        val value = conflict.values.firstOrNull { it.text == text } ?: error("nobody wrote that")
        book.settle(conflict, value)
        return ""
    }
}

private fun Deal.with(field: String, text: String): Deal = when (field) {
    "title" -> copy(title = text)
    "value" -> copy(value = if (text.isEmpty()) null else money(text))
    "close_date" -> copy(closeDate = if (text.isEmpty()) null else LocalDate.parse(text))
    "organization" -> copy(organization = text)
    "stage" -> copy(position = position.copy(stage = stageNamed(text)))
    "notes" -> copy(notes = text)
    "tag" -> copy(tags = tags + text)
    else -> error("no such field: $field")
}

/** `1000.50 EUR` in minor units: 100050. */
private fun money(text: String): Money {
    val (amount, currency) = text.split(' ')
    val decimals = Currency.getInstance(currency).defaultFractionDigits
    return Money(amount.toBigDecimal().movePointRight(decimals).longValueExact(), currency)
}

private fun SyncEnd.written(): String = when (this) {
    is SyncEnd.Done -> "Done ${report.written()}"
    is SyncEnd.More -> "More ${report.written()}"
    is SyncEnd.Wait -> "Wait ${report.written()} reason=${reason.name}"
    is SyncEnd.Rejoin -> "Rejoin ${report.written()} reason=${reason.name}"
    is SyncEnd.Upgrade -> "Upgrade ${report.written()}"
    is SyncEnd.Stopped -> "Stopped ${report.written()}"
}

private fun Report.written(): String =
    "requests=$requests bytes_up=$bytesUp bytes_down=$bytesDown " +
        "pushed=$pushed pulled=$pulled refused=$refused held=$held set_aside=$setAside"

private fun Conflict.fields(): Map<String, Any?> = mapOf(
    "field" to field.text,
    "id" to id,
    "values" to values.map {
        mapOf("author" to it.author.name, "id" to it.id, "own" to it.author.own, "shown" to it.shown, "text" to it.text)
    },
)

/** `+` stays a plus: this is the encoding of addresses, not of web forms. */
private fun decoded(word: String): String = URLDecoder.decode(word.replace("+", "%2B"), "UTF-8")

private fun encoded(text: String): String = URLEncoder.encode(text, "UTF-8").replace("+", "%20")
