package dev.roadbook

/**
 * Single records. A record carries the version that it was read at: copy it, change fields, save it. A sheet is the record
 * with what its page shows beside it: conflicts, and rules that a merge broke.
 *
 * Deleted records are read like others. Throws [BookException.NotFound] where this device has no such record, and
 * [BookException.Unreadable] where its document is damaged and waits for the next sync.
 */
public sealed interface BookRecords : BookPart {
    /** The contact with this id. */
    public suspend fun contact(id: ContactId): Contact = engine.read { contact(id) }

    /** The deal with this id. */
    public suspend fun deal(id: DealId): Deal = engine.read { deal(id) }

    /** The task with this id. */
    public suspend fun task(id: TaskId): TaskItem = engine.read { task(id) }

    /** The contact with its conflicts and violations. */
    public suspend fun contactSheet(id: ContactId): ContactSheet = engine.read { contactSheet(id) }

    /** The deal with its conflicts and violations. */
    public suspend fun dealSheet(id: DealId): DealSheet = engine.read { dealSheet(id) }

    /** The task with its conflicts and violations. */
    public suspend fun taskSheet(id: TaskId): TaskSheet = engine.read { taskSheet(id) }

    /** The kind of the record with this id, for instance of a link or a notification. */
    public suspend fun kindOf(id: RecordId): Kind = engine.read { kindOf(id) }

    /** An empty contact with a new id. Returns at once on any thread; nothing is stored before it is saved. */
    public fun newContact(): Contact = engine.core.newContact()

    /** An empty deal with a new id, as [newContact]. */
    public fun newDeal(): Deal = engine.core.newDeal()

    /** An empty task with a new id, as [newContact]. */
    public fun newTask(): TaskItem = engine.core.newTask()

    /** A new id for an entry of a record: an address, a custom field. Returns at once on any thread. */
    public fun newEntryId(): EntryId = engine.core.newEntryId()

    /**
     * A channel as a person typed it, with a new id, to be put into a contact. A phone number is read as dialled in the
     * book's region.
     */
    public suspend fun newChannel(kind: ChannelKind, value: String): Channel = engine.read { newChannel(kind, value) }
}
