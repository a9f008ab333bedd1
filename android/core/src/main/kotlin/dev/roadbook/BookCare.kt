package dev.roadbook

/** How the book stands, and what keeps it well. */
public sealed interface BookCare : BookPart {
    /**
     * How this device stands: what it has that no other device has, what waits for a decision. Fast enough for every screen. Its
     * `disputed` counts what [BookConflicts.disputed] lists.
     */
    public suspend fun status(): Status = engine.read { status() }

    /** The people of the workspace; empty before joining one. */
    public suspend fun people(): List<Person> = engine.read { people() }

    /** The region (ISO 3166-1, two letters) as dialled in which national phone numbers are understood; empty where none is set. */
    public suspend fun region(): String = engine.read { region() }

    /** Sets the region. Throws [BookException.Invalid] for a text that is none. */
    public suspend fun setRegion(region: String): Unit = engine.write { setRegion(region) }

    /** Makes every list and index again from the documents: the repair where [check] finds rows that differ. Long. */
    public suspend fun rebuild(): RebuildReport = engine.long { rebuild() }

    /**
     * Copies all that can be read of this book into [to], a new one, unsent edits included: for a file that is damaged where
     * [rebuild] cannot help. This book stays as it is, and should not be used any more. Throws [BookException.BookExists] where
     * [to] holds anything. Long.
     */
    public suspend fun rescue(to: Book): RescueReport = engine.long { rescue(to.engine.core) }

    /** Checks the file and every document against its row, and changes nothing. Empty where all is well. Long. */
    public suspend fun check(): List<Finding> = engine.long { check() }

    /**
     * Opens at most [limit] records that came whole from the server and were never opened; returns how many are left. With none
     * left, every conflict is known. The book does it by itself after each sync; an app that syncs in the background and ends
     * at once may call it until nothing is left.
     */
    public suspend fun verifySome(limit: Int): Long = engine.long { verifySome(rows(limit)) }.toLong()
}
