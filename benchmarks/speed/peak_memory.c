// Counts the bytes that a process holds and the most that it has held, for LD_PRELOAD on Linux.
//
// Counted are the blocks of malloc and its kin, by their usable size, and writable anonymous mappings that the program
// makes itself; those that the allocator makes for a large block reach the kernel without passing here.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

static atomic_llong live, highest;

static void count(long long bytes) {
    long long now = atomic_fetch_add(&live, bytes) + bytes;
    long long before = atomic_load(&highest);
    while (now > before && !atomic_compare_exchange_weak(&highest, &before, now)) {
    }
}

long long peak_memory_live(void) { return atomic_load(&live); }
long long peak_memory_highest(void) { return atomic_load(&highest); }
void peak_memory_reset(void) { atomic_store(&highest, atomic_load(&live)); }

// Looking a function up may itself allocate: such early blocks come from here and are never freed.
static _Alignas(64) char early[1 << 16];
static atomic_size_t early_used;

static int is_early(const void *block) {
    return (const char *)block >= early && (const char *)block < early + sizeof early;
}

static void *allocate_early(size_t size) {
    size_t start = atomic_fetch_add(&early_used, (size + 63) & ~(size_t)63);
    return start + size <= sizeof early ? early + start : NULL;
}

// "initial-exec", since the other way of finding such a variable may allocate.
static _Thread_local int looking_up __attribute__((tls_model("initial-exec")));

// The function of that name that would have been called without this library.
#define NEXT(name)                                                                                                     \
    static __typeof__(&name) next_##name;                                                                              \
    if (!next_##name && !looking_up) {                                                                                 \
        looking_up = 1;                                                                                                \
        next_##name = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                                      \
        looking_up = 0;                                                                                                \
    }

static void *counted(void *block) {
    if (block) count((long long)malloc_usable_size(block));
    return block;
}

void *malloc(size_t size) {
    NEXT(malloc)
    return next_malloc ? counted(next_malloc(size)) : allocate_early(size);
}

void *calloc(size_t number, size_t size) {
    NEXT(calloc)
    return next_calloc ? counted(next_calloc(number, size)) : allocate_early(number * size);
}

void free(void *block) {
    NEXT(free)
    if (!block || is_early(block) || !next_free) return;
    count(-(long long)malloc_usable_size(block));
    next_free(block);
}

void *realloc(void *block, size_t size) {
    NEXT(realloc)
    if (block && is_early(block)) {
        void *moved = malloc(size);
        size_t room = (size_t)(early + sizeof early - (char *)block);
        if (moved) memcpy(moved, block, size < room ? size : room);
        return moved;
    }
    if (!next_realloc) return allocate_early(size);
    long long before = block ? (long long)malloc_usable_size(block) : 0;
    void *moved = next_realloc(block, size);
    if (moved) {
        count((long long)malloc_usable_size(moved) - before);
    } else if (!size) {
        count(-before);
    }
    return moved;
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    NEXT(posix_memalign)
    if (!next_posix_memalign) return ENOMEM;
    int failed = next_posix_memalign(block, alignment, size);
    if (!failed) counted(*block);
    return failed;
}

void *aligned_alloc(size_t alignment, size_t size) {
    NEXT(aligned_alloc)
    return next_aligned_alloc ? counted(next_aligned_alloc(alignment, size)) : NULL;
}

void *memalign(size_t alignment, size_t size) {
    NEXT(memalign)
    return next_memalign ? counted(next_memalign(alignment, size)) : NULL;
}

// Mappings that are counted, so that what is unmapped is taken off only if it had been added.
enum { MOST = 8192 };
static struct { uintptr_t start, end; } mappings[MOST];
static int known;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(void *start, size_t length, int protection, int flags) {
    if (start == MAP_FAILED || !(flags & MAP_ANONYMOUS) || !(protection & PROT_WRITE)) return;
    pthread_mutex_lock(&lock);
    if (known < MOST) {
        mappings[known].start = (uintptr_t)start;
        mappings[known++].end = (uintptr_t)start + length;
        count((long long)length);
    }
    pthread_mutex_unlock(&lock);
}

static void forget(void *address, size_t length) {
    uintptr_t start = (uintptr_t)address, end = start + length;
    pthread_mutex_lock(&lock);
    for (int i = known - 1; i >= 0; i--) {
        uintptr_t first = mappings[i].start > start ? mappings[i].start : start;
        uintptr_t last = mappings[i].end < end ? mappings[i].end : end;
        if (first >= last) continue;
        count(-(long long)(last - first));
        uintptr_t left = first - mappings[i].start, right = mappings[i].end - last;
        if (left && right && known < MOST) {  // a hole: the part behind it becomes a mapping of its own
            mappings[known].start = last;
            mappings[known++].end = mappings[i].end;
        }
        if (left) {
            mappings[i].end = first;
        } else if (right) {
            mappings[i].start = last;
        } else {
            mappings[i] = mappings[--known];
        }
    }
    pthread_mutex_unlock(&lock);
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    NEXT(mmap)
    if (!next_mmap) return MAP_FAILED;
    void *made = next_mmap(address, length, protection, flags, file, offset);
    remember(made, length, protection, flags);
    return made;
}

void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset) {
    NEXT(mmap64)
    if (!next_mmap64) return MAP_FAILED;
    void *made = next_mmap64(address, length, protection, flags, file, offset);
    remember(made, length, protection, flags);
    return made;
}

int munmap(void *address, size_t length) {
    NEXT(munmap)
    if (!next_munmap) return -1;
    int failed = next_munmap(address, length);
    if (!failed) forget(address, length);
    return failed;
}
