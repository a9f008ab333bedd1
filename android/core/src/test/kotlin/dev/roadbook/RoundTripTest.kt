package dev.roadbook

import dev.roadbook.ids.UserIdentifier
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.time.LocalDate
import java.time.LocalDateTime

private val SOMEBODY = UserIdentifier("01890a5d-ac96-774b-bcce-b302099a8057")

/** Every field crosses the border and comes back as it went. */
class RoundTripTest {
    @Test
    fun `a contact keeps every field`() = withBook { book, _ ->
        val phone = book.newChannel(ChannelKind.Phone, "+49 30 901820 ext. 12").copy(label = "work", preferred = true)
        val pager = Channel(book.newEntryId(), ChannelKind.Unknown("pager"), "77", null, null, null, false)
        val street = PostalAddress(book.newEntryId(), "home", "Hauptstr. 1\nHinterhaus", "Köln", "NRW", "50667", "Deutschland")
        val form = book.newContact().copy(
            givenName = "Анна",
            familyName = "Ёлкина",
            organization = "Насосы ООО",
            jobTitle = "Head of \"pumps\"",
            owner = SOMEBODY,
            tags = listOf("key", "насосы"),
            channels = listOf(phone, pager).sortedBy { it.id.text },
            middleName = "B.",
            namePrefix = "Dr.",
            nameSuffix = "Jr.",
            addresses = listOf(street),
            birthday = LocalDate.of(1980, 2, 29),
            cardNote = "from the fair",
            notes = "calls on Mondays 🙂",
            x = custom(book),
        )
        val saved = book.save(form)
        assertEquals("+4930901820", saved.channels.first { it.kind == ChannelKind.Phone }.e164)
        assertEquals("12", saved.channels.first { it.kind == ChannelKind.Phone }.extension)
        assertEquals(form, saved.copy(version = ""))
        assertTrue(saved.version.isNotEmpty())
        assertEquals(saved, book.contact(form.id))
        assertEquals(saved, book.contactSheet(form.id).record)
        val row = book.contacts().items.single()
        assertEquals(
            ContactRow(
                form.id, null, form.givenName, form.familyName, form.organization, form.jobTitle, SOMEBODY, form.tags, form.channels,
            ),
            row,
        )
        assertEquals(row, book.contacts(ContactFilter(owner = Owner.Person(id = SOMEBODY))).items.single())
    }

    @Test
    fun `a deal keeps every field`() = withBook { book, _ ->
        val contact = book.save(book.newContact().copy(familyName = "Ёлкина"))
        val form = book.newDeal().copy(
            title = "Pumps",
            value = Money(1_250_000, "EUR"),
            position = Position(Stage.Negotiation, Outcome.Lost),
            closeDate = LocalDate.of(2026, 12, 31),
            owner = SOMEBODY,
            organization = "Насосы ООО",
            tags = listOf("a", "b"),
            contacts = listOf(contact.id),
            lostReason = "price",
            notes = "line 1\nline 2",
            x = custom(book),
        )
        val saved = book.save(form)
        assertEquals(form, saved.copy(version = ""))
        assertEquals(saved, book.deal(form.id))
        assertEquals(saved, book.dealSheet(form.id).record)
        assertEquals(form.closeDate, book.deals(sort = DealSort.CLOSE_DATE).items.single().closeDate)
    }

    @Test
    fun `a task keeps every field`() = withBook { book, _ ->
        val deal = book.savedDeal()
        val form = book.newTask().copy(
            title = "Call",
            due = Due.Plan(ZonedPlan(LocalDateTime.of(2026, 12, 31, 9, 0), "Europe/Berlin")),
            priority = Priority.Urgent,
            status = TaskStatus.Waiting,
            owner = SOMEBODY,
            links = listOf(deal.toLink()),
            tags = listOf("phone"),
            notes = "about the pumps",
            x = custom(book),
        )
        val saved = book.save(form)
        assertEquals(form, saved.copy(version = ""))
        assertEquals(saved, book.task(form.id))
        assertEquals(saved, book.taskSheet(form.id).record)
        assertEquals(form.id, book.tasks(TaskFilter(about = deal.id.record)).items.single().id)
        val dated = book.save(saved.copy(due = Due.Date(LocalDate.of(2027, 1, 2))))
        assertEquals(LocalDate.of(2027, 1, 2), (dated.due as Due.Date).date)
        assertEquals(1, book.tasks(TaskFilter(dueBy = LocalDate.of(2027, 1, 2))).items.size)
        assertEquals(0, book.tasks(TaskFilter(dueBy = LocalDate.of(2027, 1, 1))).items.size)
    }

    @Test
    fun `a code of a newer release survives a save of something else`() = withBook { book, _ ->
        val status = TaskStatus.Unknown("parked")
        val task = book.save(book.newTask().copy(title = "Call", status = status, priority = Priority.Unknown("someday")))
        val saved = book.save(task.copy(title = "Call again"))
        assertEquals(status, saved.status)
        assertEquals(Priority.Unknown("someday"), book.task(task.id).priority)
        assertEquals(status, taskStatusNamed(taskStatusCode(status)))
        assertEquals(TaskStatus.Done, taskStatusNamed("done"))
        val position = Position(Stage.Unknown("pilot"), Outcome.Unknown("paused"))
        val deal = book.save(book.newDeal().copy(title = "Pumps", position = position))
        assertEquals(position, book.save(deal.copy(title = "More pumps")).position)
    }

    @Test
    fun `a picker has every known code in its order`() {
        assertEquals(listOf("new", "qualified", "proposal", "negotiation"), knownStages().map(::stageCode))
        assertEquals(listOf(Outcome.Open, Outcome.Won, Outcome.Lost), knownOutcomes())
        assertEquals(listOf(Priority.Low, Priority.Normal, Priority.High, Priority.Urgent), knownPriorities())
        assertTrue(TaskStatus.Waiting in knownTaskStatuses() && ChannelKind.Phone in knownChannelKinds())
        assertTrue(knownTaskStatuses().none { it is TaskStatus.Unknown })
    }

    @Test
    fun `new records have ids of their own types and nothing else`() = withBook { book, _ ->
        val contact = book.newContact()
        assertNotEquals(contact.id, book.newContact().id)
        assertEquals(36, contact.id.text.length)
        assertEquals(contact.id.text, contact.id.toString())
        assertEquals(RecordLink(Kind.CONTACT, contact.id.record), contact.toLink())
        assertEquals(contact.id, contact.toLink().contactId)
        assertNull(contact.toLink().dealId)
        assertNull(contact.toLink().taskId)
        assertNull(contact.deleted)
        // A value class: inside a record it is the text itself, and no object around it.
        assertEquals(String::class.java, Contact::class.java.getDeclaredField("id").type)
        assertEquals(String::class.java, Contact::class.java.getDeclaredField("owner").type)
    }

    private fun custom(book: Book): List<CustomField> = listOf(
        CustomField(book.newEntryId(), CustomValue.Text("blue")),
        CustomField(book.newEntryId(), CustomValue.Number(Long.MAX_VALUE)),
        CustomField(book.newEntryId(), CustomValue.Flag(true)),
    ).sortedBy { it.id.text }
}
