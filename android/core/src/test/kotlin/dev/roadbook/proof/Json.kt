package dev.roadbook.proof

/**
 * A value as JSON on one line: maps with their keys sorted, no blanks, texts as UTF-8 with only the escapes that JSON asks
 * for: `\n`, `\r` and `\t`, and every other control character by its number, as `\u0008`. Equal values give equal texts, here
 * and in every other language that follows these rules.
 */
internal fun json(value: Any?): String = StringBuilder().apply { put(value) }.toString()

private fun StringBuilder.put(value: Any?) {
    when (value) {
        null -> append("null")
        is Boolean, is Int, is Long, is UInt, is ULong -> append(value)
        is String -> quote(value)
        is List<*> -> joinAll('[', value, ']') { put(it) }
        is Map<*, *> -> joinAll('{', value.entries.sortedWith(compareBy(BY_BYTES) { it.key as String }), '}') { (key, inner) ->
            quote(key as String)
            append(':')
            put(inner)
        }
        else -> error("no JSON for ${value::class}")
    }
}

private inline fun <T> StringBuilder.joinAll(open: Char, all: List<T>, close: Char, each: (T) -> Unit) {
    append(open)
    all.forEachIndexed { at, item ->
        if (at > 0) append(',')
        each(item)
    }
    append(close)
}

private fun StringBuilder.quote(text: String) {
    append('"')
    for (char in text) {
        when (char) {
            '"' -> append("\\\"")
            '\\' -> append("\\\\")
            '\n' -> append("\\n")
            '\r' -> append("\\r")
            '\t' -> append("\\t")
            else -> if (char < ' ') append("\\u%04x".format(char.code)) else append(char)
        }
    }
    append('"')
}

/** The order of texts by their UTF-8 bytes, which is that of their code points and not of Kotlin's UTF-16. */
internal val BY_BYTES: Comparator<String> = Comparator { a, b -> a.codePoints().toArray().compareTo(b.codePoints().toArray()) }

private fun IntArray.compareTo(other: IntArray): Int {
    for (at in 0 until minOf(size, other.size)) {
        if (this[at] != other[at]) return this[at].compareTo(other[at])
    }
    return size.compareTo(other.size)
}
