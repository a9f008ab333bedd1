package dev.roadbook.proof

import dev.roadbook.ChannelKind
import dev.roadbook.CustomField
import dev.roadbook.CustomValue
import dev.roadbook.Due
import dev.roadbook.PostalAddress
import dev.roadbook.ZonedPlan
import dev.roadbook.cards
import dev.roadbook.ids.EntryIdentifier
import dev.roadbook.toLink
import dev.roadbook.withBook
import dev.roadbook.withFolder
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.time.LocalDateTime

/** The program that other languages' tests drive. */
class ProofTest {
    @Test
    fun `commands edit a book and dump it`() = withFolder { folder ->
        val proof = Proof()
        suspend fun ok(line: String) = proof.answer(line).also { assertTrue(it.startsWith("ok"), it) }.removePrefix("ok").trimStart()

        ok("create ${folder.dir}")
        val deal = ok("add-deal Gro%C3%9Fe%20Pumpen")
        ok("set-deal $deal value 1000.50%20EUR")
        ok("set-deal $deal close_date 2026-12-31")
        ok("set-deal $deal stage proposal")
        ok("set-deal $deal tag b+c")
        ok("set-deal $deal notes a%0Ab")
        val task = ok("add-task Call $deal")
        assertEquals("deal:$deal Gro%C3%9Fe%20Pumpen", ok("find gro%C3%9Fe"))
        assertEquals("[]", ok("conflicts $deal"))
        assertEquals("cards=1 added=1 updated=0 unchanged=0 broken=0", ok("import ${folder.file("a.vcf", cards(1))}"))
        assertTrue(ok("sync").startsWith("Rejoin requests=0 "))
        val dump = ok("dump")
        assertTrue(
            """{"close_date":"2026-12-31","id":"$deal","notes":"a\nb","position":"proposal/open","tags":["b+c"],""" +
                """"title":"Große Pumpen","value":"100050 EUR"}""" in dump,
            dump,
        )
        assertTrue(
            """"task":[{"id":"$task","links":["deal:$deal"],"priority":"normal","status":"open","title":"Call"}]""" in dump,
            dump,
        )
        ok("open ${folder.dir}")
        assertEquals(dump, ok("dump"))
        assertEquals("ok", proof.answer("quit"))
    }

    @Test
    fun `a failure is one line with a code`() = withFolder { folder ->
        val proof = Proof()
        assertEquals("error IllegalStateException create or open a book first", proof.answer("dump"))
        assertTrue(proof.answer("open ${folder.dir}").startsWith("error KeyLost"))
        proof.answer("create ${folder.dir}")
        assertEquals("error Usage a word is missing", proof.answer("add-deal"))
        assertTrue(proof.answer("add-deal ").startsWith("error Invalid "))
        proof.close()
    }

    @Test
    fun `the dump holds every form of value, and deleted records`() = withBook { book, _ ->
        val phone = book.newChannel(ChannelKind.Phone, "+49 30 901820").copy(id = EntryIdentifier("chan"))
        val contact = book.save(
            book.newContact().copy(
                familyName = "Ёлкина",
                tags = listOf("\uFF5E", "🙂", "a"),
                channels = listOf(phone),
                addresses = listOf(PostalAddress(EntryIdentifier("addr"), null, "", "Köln", "", "", "")),
                x = listOf(
                    CustomField(EntryIdentifier("n"), CustomValue.Number(-1)),
                    CustomField(EntryIdentifier("f"), CustomValue.Flag(false)),
                    CustomField(EntryIdentifier("t"), CustomValue.Text("\"\\\t\b\u000c\u0001")),
                ),
            ),
        )
        val plan = ZonedPlan(LocalDateTime.of(2026, 12, 31, 9, 0), "Europe/Berlin")
        val task = book.save(book.newTask().copy(title = "Call", due = Due.Plan(plan)))
        book.delete(contact.toLink())
        val deleted = checkNotNull(book.contact(contact.id).deleted)
        val dump = book.dump()
        assertTrue(""""due":"2026-12-31T09:00[Europe/Berlin]","id":"${task.id}"""" in dump, dump)
        assertTrue(dump.startsWith("""{"contact":[{"addresses":{"addr":{"city":"Köln","country":"","label":null,"""), dump)
        assertTrue(
            """"channels":{"chan":{"e164":"+4930901820","extension":null,"kind":"phone","label":null,"preferred":false,""" in dump,
            dump,
        )
        assertTrue(""""deleted":"${deleted.written()}"""" in dump, dump)
        assertTrue(""""tags":["a","～","🙂"]""" in dump, dump)
        assertTrue(""""x":{"f":false,"n":-1,"t":"\"\\\t\u0008\u000c\u0001"}""" in dump, dump)
    }
}
