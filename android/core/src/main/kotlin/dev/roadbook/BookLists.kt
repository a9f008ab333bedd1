package dev.roadbook

/**
 * Lists and search: rows for the screen, a page at a time, at the speed of the index. No record is opened for them, and they
 * wait neither for saves nor for a sync.
 *
 * `after` is the `next` of the page before; pages follow the order and not a number, so a list does not jump when records
 * come and go. `limit` is cut to 1…1000.
 */
public sealed interface BookLists : BookPart {
    /** A page of contacts. Throws [BookException.Invalid] for an [after] of another list. */
    public suspend fun contacts(
        filter: ContactFilter = ContactFilter(),
        sort: ContactSort = ContactSort.NAME,
        after: String? = null,
        limit: Int = 50,
    ): ContactPage = engine.read { contacts(filter, sort, after, rows(limit)) }

    /** A page of deals. Throws [BookException.Invalid] for an [after] of another list. */
    public suspend fun deals(
        filter: DealFilter = DealFilter(),
        sort: DealSort = DealSort.TITLE,
        after: String? = null,
        limit: Int = 50,
    ): DealPage = engine.read { deals(filter, sort, after, rows(limit)) }

    /** A page of tasks. Throws [BookException.Invalid] for an [after] of another list. */
    public suspend fun tasks(
        filter: TaskFilter = TaskFilter(),
        sort: TaskSort = TaskSort.DUE,
        after: String? = null,
        limit: Int = 50,
    ): TaskPage = engine.read { tasks(filter, sort, after, rows(limit)) }

    /** Living records of any kind: words of [text] by their beginnings in any script, digits anywhere in a number. */
    public suspend fun search(text: String, limit: Int = 50): List<Found> = engine.read { search(text, rows(limit)) }
}

/** A count of rows as the core takes it. */
internal fun rows(limit: Int): UInt = limit.coerceAtLeast(1).toUInt()
