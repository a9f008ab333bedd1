package dev.roadbook

import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.isActive
import java.io.File

/** How far an import is. */
public class ImportProgress internal constructor(
    /** Bytes of the file read so far. */
    public val bytes: Long,
    /** Cards read so far. */
    public val cards: Long,
)

/** Records in and out of files, in bounded memory. Throws [BookException.File] where the file cannot be read or written. */
public sealed interface BookFiles : BookPart {
    /**
     * Takes the contacts of a vCard file (2.1, 3.0 or 4.0). What is left out is reported with its line, and the rest is taken: a
     * broken card, a card of a person who was erased, of a record of another kind, and of a contact that the role does not
     * allow to bring back. Importing the same file again adds nothing. The whole import is one action, so that one
     * [BookHistory.undo] takes it back.
     *
     * National phone numbers are read as dialled in [region] (ISO 3166-1, two letters), or in the book's where it is null; a
     * text that is none is [BookException.Invalid].
     *
     * [progress] is called on a thread of the book after every batch. `false`, an exception, or cancelling the caller stops
     * the import there; what was taken stays.
     */
    public suspend fun importVCard(
        file: File,
        region: String? = null,
        progress: (ImportProgress) -> Boolean = { true },
    ): ImportReport {
        val caller = currentCoroutineContext()
        val observer = ImportObserver { caller.isActive && progress(it) }
        val report = engine.long { importVcard(file.path, region, observer) }
        observer.failure?.let { throw it }
        return report
    }

    /**
     * Writes the living contacts as vCard 4.0. The file is there whole or not at all. A record that cannot be opened is left
     * out of it and named in the report.
     */
    public suspend fun exportVCard(file: File): ExportReport = engine.long { exportVcard(file.path) }

    /** Writes all living records as JSON, as [exportVCard]; the file names the records that were left out, too. */
    public suspend fun exportJson(file: File): ExportReport = engine.long { exportJson(file.path) }
}

/** Keeps an exception of the app's code from crossing the core: the import stops, and the caller gets it. */
private class ImportObserver(private val goOn: (ImportProgress) -> Boolean) : ProgressObserver {
    @Volatile
    var failure: Throwable? = null
        private set

    override fun progressed(bytes: ULong, cards: ULong): Boolean = try {
        goOn(ImportProgress(bytes.toLong(), cards.toLong()))
    } catch (thrown: Throwable) {
        failure = thrown
        false
    }
}
