package dev.roadbook

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.withContext
import java.io.File

/**
 * An encrypted book of contacts, deals and tasks in a folder of the device: all of it readable, searchable and editable
 * without a network, and brought together with other devices by [sync].
 *
 * **Threads.** Every suspending function may be called from any thread, the one that draws included, and works on threads of
 * the book: reads four at a time, writes one after the other, long calls (import, export, repair) beside both, so that a save
 * waits for a batch of an import and not for the whole of it.
 *
 * **Cancelling.** A call that began is finished; a cancelled caller only no longer learns its result. Long calls and [sync]
 * stop at their next step instead. What was committed stays.
 *
 * **Errors.** Every call may throw a [BookException]: each of its variants is a decision for the app. After [shutdown] it is
 * [BookException.Closed]. An id, a date or a time that the core cannot read is [BookException.Invalid], with a problem of the
 * field `id`, `date`, `time` or `action`. A fault of the core itself arrives as [BookException.Internal] or [InternalException].
 *
 * The functions are grouped by what they are for: [BookLists], [BookRecords], [BookSaves], [BookHistory], [BookConflicts],
 * [BookDrafts], [BookFiles], [BookSync], [BookCare].
 */
public class Book internal constructor(internal val engine: Engine) :
    BookLists,
    BookRecords,
    BookSaves,
    BookHistory,
    BookConflicts,
    BookDrafts,
    BookFiles,
    BookSync,
    BookCare {

    /**
     * What changes from now on, in this process and in others, of one [kind] or of all.
     *
     * Changes that come while the collector is busy are merged into one notice; a notice without records means many: read
     * again what is shown. Observing begins, without waiting for other work, when the flow is collected; it ends when the
     * collector is cancelled, and the flow completes when the book is shut down. Changes of other processes are looked for
     * once a second while anybody collects.
     */
    public fun changes(kind: Kind? = null): Flow<ChangeNotice> = engine.changes(kind)

    /**
     * Closes the book: reads under way are interrupted with [BookException.Closed], long work is stopped and rolled back to its
     * last commit. Returns when all of them have ended and the store is closed, also when the caller is cancelled meanwhile;
     * calling it again does nothing. Call it before the app is suspended or replaced, and before a program exits.
     */
    public suspend fun shutdown() {
        withContext(NonCancellable + Dispatchers.IO) { engine.close() }
    }

    public companion object {
        /**
         * Makes a new book in [dir], with a key that [vault] makes. Throws [BookException.BookExists] where there is one
         * already, and what the vault throws.
         */
        public suspend fun create(dir: File, vault: KeyVault): Book =
            start(vault::create) { keys -> BlockingBook.create(dir.path, keys) }

        /**
         * Opens the book in [dir]; never makes one. Throws [BookException.NoBook] where there is none,
         * [BookException.KeyUnavailable] while the device is locked, [BookException.KeyLost] and [BookException.WrongKey]
         * where the store cannot be opened: none of them is an empty book.
         */
        public suspend fun open(dir: File, vault: KeyVault): Book =
            start(vault::open) { keys -> BlockingBook.open(dir.path, keys) }

        private suspend fun start(keys: suspend () -> Vault, open: (Vault) -> BlockingBook): Book {
            var opened: BlockingBook? = null
            try {
                // Also loads the native library: never on the caller's thread.
                return withContext(Dispatchers.IO) {
                    val secret = keys()
                    try {
                        Book(Engine(open(secret).also { opened = it }))
                    } finally {
                        secret.key.fill(0)
                    }
                }
            } catch (cancelled: CancellationException) {
                // Nobody got the book, so nobody could close it.
                withContext(NonCancellable + Dispatchers.IO) { opened?.shutdown() }
                throw cancelled
            }
        }
    }
}
