package dev.roadbook

/*
 * What makes `book.apply(listOf(deal.toEdit(), task.toEdit(), old.toLink().toDeletion()), why = "call")` read well.
 */

/** Saving this contact, as a part of [Book.apply]. */
public fun Contact.toEdit(): Edit = Edit.SaveContact(this)

/** Saving this deal, as a part of [Book.apply]. */
public fun Deal.toEdit(): Edit = Edit.SaveDeal(this)

/** Saving this task, as a part of [Book.apply]. */
public fun TaskItem.toEdit(): Edit = Edit.SaveTask(this)

/** Deleting the record, as a part of [Book.apply]. */
public fun RecordLink.toDeletion(): Edit = Edit.Delete(this)

/** A link to this contact. */
public fun Contact.toLink(): RecordLink = id.toLink()

/** A link to this deal. */
public fun Deal.toLink(): RecordLink = id.toLink()

/** A link to this task. */
public fun TaskItem.toLink(): RecordLink = id.toLink()

/** A link to the contact with this id. */
public fun ContactId.toLink(): RecordLink = RecordLink(Kind.CONTACT, record)

/** A link to the deal with this id. */
public fun DealId.toLink(): RecordLink = RecordLink(Kind.DEAL, record)

/** A link to the task with this id. */
public fun TaskId.toLink(): RecordLink = RecordLink(Kind.TASK, record)

/** The id as that of a contact; null for another kind. */
public val RecordLink.contactId: ContactId? get() = if (kind == Kind.CONTACT) ContactId(id.text) else null

/** The id as that of a deal; null for another kind. */
public val RecordLink.dealId: DealId? get() = if (kind == Kind.DEAL) DealId(id.text) else null

/** The id as that of a task; null for another kind. */
public val RecordLink.taskId: TaskId? get() = if (kind == Kind.TASK) TaskId(id.text) else null

/** What a sync did, however it ended. */
public val SyncEnd.report: Report
    get() = when (this) {
        is SyncEnd.Done -> report
        is SyncEnd.More -> report
        is SyncEnd.Wait -> report
        is SyncEnd.Rejoin -> report
        is SyncEnd.Upgrade -> report
        is SyncEnd.Stopped -> report
    }

/** The saved contacts, merged, in the order of their edits. */
public val EditsApplied.contacts: List<Contact> get() = records.mapNotNull { (it as? Edit.SaveContact)?.record }

/** The saved deals, merged, in the order of their edits. */
public val EditsApplied.deals: List<Deal> get() = records.mapNotNull { (it as? Edit.SaveDeal)?.record }

/** The saved tasks, merged, in the order of their edits. */
public val EditsApplied.tasks: List<TaskItem> get() = records.mapNotNull { (it as? Edit.SaveTask)?.record }
