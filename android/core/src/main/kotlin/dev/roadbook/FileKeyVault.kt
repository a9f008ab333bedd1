package dev.roadbook

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.io.File
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.attribute.PosixFilePermissions
import java.security.SecureRandom

/**
 * Keeps the secrets in two files that only their owner may read, in [folder]. For tests and programs on a computer.
 *
 * **Not for phones:** there the key belongs into the platform's key store, where neither a backup nor another app gets at it.
 */
public class FileKeyVault(private val folder: File) : KeyVault {
    private val key = folder.toPath().resolve("key")
    private val incarnation = folder.toPath().resolve("incarnation")

    /** Makes the files that are missing. Throws [BookException.File] where they cannot be written. */
    override suspend fun create(): Vault = withContext(Dispatchers.IO) {
        if (Files.notExists(key)) key.make(KEY_BYTES)
        vault()
    }

    /** Reads the key: [BookException.KeyLost] where its file is missing or holds no key. */
    override suspend fun open(): Vault = withContext(Dispatchers.IO) {
        if (Files.notExists(key)) throw BookException.KeyLost()
        vault()
    }

    private fun vault(): Vault {
        val secret = key.secret(KEY_BYTES) ?: throw BookException.KeyLost()
        val own = if (Files.exists(incarnation)) incarnation.secret(INCARNATION_BYTES) else null
        return Vault(secret, own ?: incarnation.make(INCARNATION_BYTES))
    }

    /** The file's bytes; none where they are too many or too few. */
    private fun Path.secret(size: Int): ByteArray? = try {
        Files.readAllBytes(this).takeIf { it.size == size }
    } catch (_: IOException) {
        throw BookException.KeyUnavailable()
    }

    /** Puts random bytes into the file: whole and on the disk before anything is encrypted with them, or not at all. */
    private fun Path.make(size: Int): ByteArray = try {
        Files.createDirectories(parent)
        val bytes = ByteArray(size).also(SecureRandom()::nextBytes)
        val started = newOwnFile(parent, fileName.toString())
        started.toFile().outputStream().use {
            it.write(bytes)
            it.fd.sync()
        }
        Files.move(started, this, ATOMIC_MOVE)
        bytes
    } catch (cause: IOException) {
        throw BookException.File("cannot write $this: ${cause.message}")
    }

    /** A new file that nobody else may read, where the file system knows owners. */
    private fun newOwnFile(parent: Path, name: String): Path {
        val knowsOwners = "posix" in parent.fileSystem.supportedFileAttributeViews()
        val ownersOnly = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
        return if (knowsOwners) Files.createTempFile(parent, name, null, ownersOnly) else Files.createTempFile(parent, name, null)
    }

    private companion object {
        const val KEY_BYTES = 32
        const val INCARNATION_BYTES = 16
    }
}
