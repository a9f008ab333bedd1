package dev.roadbook

/**
 * Writing. A save writes what the form changed since its version and nothing else, so that what others changed meanwhile is
 * kept; an unchanged form writes nothing. It returns the merged record, from which the form goes on.
 *
 * Throws [BookException.Invalid] with all problems of the form, and [BookException.StaleForm] where the form's version is not
 * of this device.
 */
public sealed interface BookSaves : BookPart {
    /** Saves a contact. */
    public suspend fun save(record: Contact): Contact = engine.write { saveContact(record) }

    /** Saves a deal. */
    public suspend fun save(record: Deal): Deal = engine.write { saveDeal(record) }

    /** Saves a task. */
    public suspend fun save(record: TaskItem): TaskItem = engine.write { saveTask(record) }

    /**
     * Saves and deletes several records as one action: in one transaction, sent together, undone together. [why] is a short
     * word that the history shows, such as `call`; no free text. Nothing is written where one of the edits fails.
     */
    public suspend fun apply(edits: List<Edit>, why: String): EditsApplied = engine.write { apply(edits, why) }

    /** Deletes a record: it leaves the lists, its history stays, and [BookHistory.undo] brings it back. */
    public suspend fun delete(record: RecordLink): Unit = engine.write { delete(record) }

    /** Deletes a contact. */
    public suspend fun delete(id: ContactId): Unit = delete(id.toLink())

    /** Deletes a deal. */
    public suspend fun delete(id: DealId): Unit = delete(id.toLink())

    /** Deletes a task. */
    public suspend fun delete(id: TaskId): Unit = delete(id.toLink())

    /**
     * Erases a record for good: its values, its history and what waits to be sent; here at once, everywhere after sync. It cannot
     * be undone. A rep gets [BookException.NotAllowed].
     */
    public suspend fun erase(record: RecordLink): Unit = engine.write { erase(record) }
}
