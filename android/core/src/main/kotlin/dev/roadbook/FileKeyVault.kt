package dev.roadbook

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.file.FileAlreadyExistsException
import java.nio.file.Files
import java.nio.file.NoSuchFileException
import java.nio.file.Path
import java.nio.file.StandardOpenOption.CREATE_NEW
import java.nio.file.StandardOpenOption.WRITE
import java.nio.file.attribute.FileAttribute
import java.nio.file.attribute.PosixFilePermissions
import java.security.SecureRandom

/**
 * Keeps the secrets in two files that only their owner may read, in a folder. For tests and programs on a computer.
 *
 * **Not for phones:** there the key belongs into the platform's key store, where neither a backup nor another app gets at it.
 */
public class FileKeyVault internal constructor(private val folder: Path) : KeyVault {
    private val key = folder.resolve("key")
    private val incarnation = folder.resolve("incarnation")

    /** A vault in [folder], which is made where it is missing. */
    public constructor(folder: File) : this(folder.toPath())

    /**
     * Makes the files that are missing. Throws [BookException.File] where they cannot be written, and what [open] throws where
     * the key is there and cannot be used.
     */
    override suspend fun create(): Vault = withContext(Dispatchers.IO) { vault(key.bytes() ?: key.make(KEY_BYTES)) }

    /**
     * Reads the key: [BookException.KeyLost] where its file is missing or holds no key, [BookException.KeyUnavailable] where it
     * cannot be read.
     */
    override suspend fun open(): Vault = withContext(Dispatchers.IO) { vault(key.bytes() ?: throw BookException.KeyLost()) }

    private fun vault(secret: ByteArray): Vault {
        if (secret.size != KEY_BYTES) throw BookException.KeyLost()
        val own = incarnation.bytes()
        if (own?.size == INCARNATION_BYTES) return Vault(secret, own)
        // One of another size is as good as missing, and is no secret that anything was encrypted with.
        if (own != null) incarnation.writing { Files.deleteIfExists(incarnation) }
        return Vault(secret, incarnation.make(INCARNATION_BYTES))
    }

    /** The file's bytes; none where there is no file. */
    private fun Path.bytes(): ByteArray? = try {
        Files.readAllBytes(this)
    } catch (_: NoSuchFileException) {
        null
    } catch (_: IOException) {
        throw BookException.KeyUnavailable()
    }

    /**
     * Puts random bytes into the file, or takes those that another thread or process has put there meanwhile: a file that is
     * there is never replaced, since a book may have been encrypted with it.
     */
    private fun Path.make(size: Int): ByteArray = writing {
        Files.createDirectories(parent)
        val bytes = ByteArray(size).also(SecureRandom()::nextBytes)
        val started = Files.createTempFile(parent, fileName.toString(), null, *ownersOnly())
        try {
            // On the disk before anything is encrypted with them.
            FileChannel.open(started, WRITE).use { it.put(bytes) }
            appearAs(started, bytes)
            bytes
        } catch (_: FileAlreadyExistsException) {
            bytes()?.takeIf { it.size == size } ?: throw BookException.KeyUnavailable()
        } finally {
            Files.delete(started)
        }
    }

    /** Gives the started file this name too: whole, or not at all where the name is taken. */
    private fun Path.appearAs(started: Path, bytes: ByteArray) {
        try {
            Files.createLink(this, started)
        } catch (taken: FileAlreadyExistsException) {
            throw taken
        } catch (_: IOException) {
            putNew(bytes)
        } catch (_: UnsupportedOperationException) {
            putNew(bytes)
        }
    }

    /** For file systems without links. Only a power cut leaves a part of a key, which no book was encrypted with yet. */
    private fun Path.putNew(bytes: ByteArray) {
        val channel = FileChannel.open(this, setOf(CREATE_NEW, WRITE), *ownersOnly())
        try {
            channel.use { it.put(bytes) }
        } catch (failed: IOException) {
            Files.deleteIfExists(this)
            throw failed
        }
    }

    private fun FileChannel.put(bytes: ByteArray) {
        val left = ByteBuffer.wrap(bytes)
        while (left.hasRemaining()) write(left)
        force(true)
    }

    private inline fun <T> Path.writing(write: () -> T): T = try {
        write()
    } catch (cause: IOException) {
        throw BookException.File("cannot write $this: ${cause.message}")
    }

    /** What a new file is made with so that nobody else may read it, where the file system knows owners. */
    private fun ownersOnly(): Array<FileAttribute<*>> {
        if ("posix" !in folder.fileSystem.supportedFileAttributeViews()) return emptyArray()
        return arrayOf(PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))
    }

    private companion object {
        const val KEY_BYTES = 32
        const val INCARNATION_BYTES = 16
    }
}
