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
public fun Contact.toLink(): RecordLink = RecordLink(Kind.CONTACT, id.record)

/** A link to this deal. */
public fun Deal.toLink(): RecordLink = RecordLink(Kind.DEAL, id.record)

/** A link to this task. */
public fun TaskItem.toLink(): RecordLink = RecordLink(Kind.TASK, id.record)

/** The saved contacts, merged, in the order of their edits. */
public val EditsApplied.contacts: List<Contact> get() = records.mapNotNull { (it as? Edit.SaveContact)?.record }

/** The saved deals, merged, in the order of their edits. */
public val EditsApplied.deals: List<Deal> get() = records.mapNotNull { (it as? Edit.SaveDeal)?.record }

/** The saved tasks, merged, in the order of their edits. */
public val EditsApplied.tasks: List<TaskItem> get() = records.mapNotNull { (it as? Edit.SaveTask)?.record }
