package dev.roadbook.proof

import dev.roadbook.Book
import dev.roadbook.Channel
import dev.roadbook.Contact
import dev.roadbook.ContactFilter
import dev.roadbook.CustomField
import dev.roadbook.CustomValue
import dev.roadbook.Deal
import dev.roadbook.DealFilter
import dev.roadbook.Due
import dev.roadbook.Instant
import dev.roadbook.Kind
import dev.roadbook.PostalAddress
import dev.roadbook.RecordLink
import dev.roadbook.TaskFilter
import dev.roadbook.TaskItem
import dev.roadbook.channelKindCode
import dev.roadbook.outcomeCode
import dev.roadbook.priorityCode
import dev.roadbook.stageCode
import dev.roadbook.taskStatusCode

/** The whole book as canonical JSON, deleted records included, read as an app reads: pages of rows, then record by record. */
internal suspend fun Book.dump(): String {
    val contacts = everyId { deleted, after ->
        val page = contacts(ContactFilter(deleted = deleted), after = after)
        page.items.map { it.id } to page.next
    }
    val deals = everyId { deleted, after ->
        val page = deals(DealFilter(deleted = deleted), after = after)
        page.items.map { it.id } to page.next
    }
    val tasks = everyId { deleted, after ->
        val page = tasks(TaskFilter(deleted = deleted), after = after)
        page.items.map { it.id } to page.next
    }
    return json(
        mapOf(
            "contact" to contacts.sortedBy { it.text }.map { contact(it).fields().filled() },
            "deal" to deals.sortedBy { it.text }.map { deal(it).fields().filled() },
            "task" to tasks.sortedBy { it.text }.map { task(it).fields().filled() },
        ),
    )
}

private suspend fun <I> everyId(page: suspend (deleted: Boolean, after: String?) -> Pair<List<I>, String?>): List<I> = buildList {
    for (deleted in listOf(false, true)) {
        var after: String? = null
        do {
            val (ids, next) = page(deleted, after)
            addAll(ids)
            after = next
        } while (after != null)
    }
}

private fun Contact.fields(): Map<String, Any?> = mapOf(
    "id" to id.text,
    "deleted" to deleted?.written(),
    "given_name" to givenName,
    "family_name" to familyName,
    "organization" to organization,
    "job_title" to jobTitle,
    "owner" to owner?.text,
    "tags" to tags.sortedWith(BY_BYTES),
    "channels" to channels.associate { it.id.text to it.fields() },
    "middle_name" to middleName,
    "name_prefix" to namePrefix,
    "name_suffix" to nameSuffix,
    "addresses" to addresses.associate { it.id.text to it.fields() },
    "birthday" to birthday?.toString(),
    "card_note" to cardNote,
    "notes" to notes,
    "x" to x.written(),
)

private fun Deal.fields(): Map<String, Any?> = mapOf(
    "id" to id.text,
    "deleted" to deleted?.written(),
    "title" to title,
    "value" to value?.let { "${it.minor} ${it.currency}" },
    "position" to "${stageCode(position.stage)}/${outcomeCode(position.outcome)}",
    "close_date" to closeDate?.toString(),
    "owner" to owner?.text,
    "organization" to organization,
    "tags" to tags.sortedWith(BY_BYTES),
    "contacts" to contacts.map { it.text }.sorted(),
    "lost_reason" to lostReason,
    "notes" to notes,
    "x" to x.written(),
)

private fun TaskItem.fields(): Map<String, Any?> = mapOf(
    "id" to id.text,
    "deleted" to deleted?.written(),
    "title" to title,
    "due" to due?.written(),
    "priority" to priorityCode(priority),
    "status" to taskStatusCode(status),
    "owner" to owner?.text,
    "links" to links.map { it.written() }.sorted(),
    "tags" to tags.sortedWith(BY_BYTES),
    "notes" to notes,
    "x" to x.written(),
)

private fun Channel.fields(): Map<String, Any?> = mapOf(
    "e164" to e164,
    "extension" to extension,
    "kind" to channelKindCode(kind),
    "label" to label,
    "preferred" to preferred,
    "value" to value,
)

private fun PostalAddress.fields(): Map<String, Any?> = mapOf(
    "city" to city,
    "country" to country,
    "label" to label,
    "postcode" to postcode,
    "region" to region,
    "street" to street,
)

private fun List<CustomField>.written(): Map<String, Any?> = associate { field ->
    field.id.text to when (val value = field.value) {
        is CustomValue.Text -> value.text
        is CustomValue.Number -> value.number
        is CustomValue.Flag -> value.flag
    }
}

/** Without the fields that hold nothing: a dump does not tell a field that nobody filled from one that is newer than it. */
private fun Map<String, Any?>.filled(): Map<String, Any?> =
    filterValues { it != null && it != "" && it != emptyList<Any>() && it != emptyMap<String, Any>() }

internal fun Instant.written(): String = "$ms${if (offsetMinutes < 0) "" else "+"}$offsetMinutes"

private fun Due.written(): String = when (this) {
    is Due.Date -> date.toString()
    is Due.Plan -> "${plan.local}[${plan.zone}]"
}

internal fun Kind.written(): String = name.lowercase()

internal fun RecordLink.written(): String = "${kind.written()}:$id"
