// Makes allocations fail, by number: those that one shared object asks the C library for, and those of Python.
//
// The object's calls are caught in its global offset table, so that nobody else's are counted and nothing has to be
// preloaded; the operator new that is linked into it calls malloc there as well. Threads that can't be started count as
// allocations too.
#include <dlfcn.h>
#include <elf.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace {

const char* caught_object = nullptr;  // a part of its path

// Whether the caught object asks, by way of Python's functions but not of Python code that it called.
bool asked_by_object() {
  void* calls[64];
  const int count = backtrace(calls, 64);
  for (int i = 0; i < count; ++i) {
    Dl_info found{};
    if (dladdr(calls[i], &found) == 0) continue;
    if (strstr(found.dli_fname, caught_object) != nullptr) return true;
    if (found.dli_sname != nullptr && strcmp(found.dli_sname, "_PyEval_EvalFrameDefault") == 0) return false;
  }
  return false;
}

// One source of allocations: which of them fail, and how many there were.
struct Source {
  std::atomic<long> first{0}, last{0}, count{0}, hits{0}, live{0};
  std::atomic<const char*> kind{""};  // of the first that failed
  std::atomic<bool> inside{false};    // whether the caught object asked for it

  bool fails(const char* name) {
    if (first.load(std::memory_order_relaxed) == 0) return false;
    const long number = ++count;
    if (number < first || number > last) return false;
    if (hits++ == 0) {
      kind = name;
      inside = asked_by_object();
    }
    return true;
  }
};
Source native, python;

template <class T>
T* counted(T* block) {
  if (block != nullptr) ++native.live;
  return block;
}

void* no_memory() {
  errno = ENOMEM;
  return nullptr;
}

void* failing_malloc(size_t size) { return native.fails("malloc") ? no_memory() : counted(malloc(size)); }

void* failing_realloc(void* block, size_t size) {
  if (native.fails("realloc")) return no_memory();
  void* const moved = realloc(block, size);
  return block == nullptr ? counted(moved) : moved;
}

void* failing_aligned_alloc(size_t alignment, size_t size) {
  return native.fails("aligned_alloc") ? no_memory() : counted(aligned_alloc(alignment, size));
}

int failing_posix_memalign(void** block, size_t alignment, size_t size) {
  if (native.fails("posix_memalign")) return ENOMEM;
  const int status = posix_memalign(block, alignment, size);
  if (status == 0) ++native.live;
  return status;
}

char* failing_strdup(const char* text) {
  return native.fails("strdup") ? static_cast<char*>(no_memory()) : counted(strdup(text));
}

void counted_free(void* block) {
  if (block != nullptr) --native.live;
  free(block);
}

int failing_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  return native.fails("pthread_create") ? EAGAIN : pthread_create(thread, attributes, run, argument);
}

struct Replacement {
  const char* name;
  void* function;
};
const Replacement replacements[] = {
    {"malloc", reinterpret_cast<void*>(failing_malloc)},
    {"realloc", reinterpret_cast<void*>(failing_realloc)},
    {"aligned_alloc", reinterpret_cast<void*>(failing_aligned_alloc)},
    {"posix_memalign", reinterpret_cast<void*>(failing_posix_memalign)},
    {"strdup", reinterpret_cast<void*>(failing_strdup)},
    {"free", reinterpret_cast<void*>(counted_free)},
    {"pthread_create", reinterpret_cast<void*>(failing_pthread_create)},
};

struct Search {
  const char* part;  // of the object's path
  int replaced;
};

void replace(void** slot, void* function) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  auto* const begin = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(slot) / page * page);
  if (mprotect(begin, page, PROT_READ | PROT_WRITE) == 0) *slot = function;
}

int visit(dl_phdr_info* info, size_t, void* argument) {
  auto* const search = static_cast<Search*>(argument);
  if (strstr(info->dlpi_name, search->part) == nullptr) return 0;
  const auto base = static_cast<uintptr_t>(info->dlpi_addr);
  const ElfW(Dyn)* dynamic = nullptr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    dynamic = reinterpret_cast<const ElfW(Dyn)*>(base + info->dlpi_phdr[i].p_vaddr);
  }
  const auto at = [&](ElfW(Sxword) tag) -> uintptr_t {
    for (const ElfW(Dyn)* entry = dynamic; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == tag) return entry->d_un.d_ptr;
    }
    return 0;
  };
  // The loader may have made addresses of these, or not.
  const auto address = [&](ElfW(Sxword) tag) { return at(tag) < base ? base + at(tag) : at(tag); };
  const auto* const symbols = reinterpret_cast<const ElfW(Sym)*>(address(DT_SYMTAB));
  const auto* const names = reinterpret_cast<const char*>(address(DT_STRTAB));
  const auto walk = [&](ElfW(Sxword) table, ElfW(Sxword) size) {
    const auto* relocation = reinterpret_cast<const ElfW(Rela)*>(address(table));
    for (uintptr_t left = at(size) / sizeof(*relocation); left > 0; --left, ++relocation) {
      const char* const name = names + symbols[ELF64_R_SYM(relocation->r_info)].st_name;
      for (const Replacement& known : replacements) {
        if (strcmp(name, known.name) != 0) continue;
        replace(reinterpret_cast<void**>(base + relocation->r_offset), known.function);
        ++search->replaced;
      }
    }
  };
  if (at(DT_JMPREL) != 0) walk(DT_JMPREL, DT_PLTRELSZ);
  if (at(DT_RELA) != 0) walk(DT_RELA, DT_RELASZ);
  return 1;
}

// ---- Python's allocators: PyMemAllocatorEx of its stable C API, declared here to need no headers --------------------

struct PythonAllocator {
  void* context;
  void* (*malloc)(void*, size_t);
  void* (*calloc)(void*, size_t, size_t);
  void* (*realloc)(void*, void*, size_t);
  void (*free)(void*, void*);
};
PythonAllocator before[3];  // raw, mem, object

PythonAllocator& of(void* context) { return *static_cast<PythonAllocator*>(context); }

void* python_malloc(void* context, size_t size) {
  return python.fails("malloc") ? nullptr : of(context).malloc(of(context).context, size);
}
void* python_calloc(void* context, size_t count, size_t size) {
  return python.fails("calloc") ? nullptr : of(context).calloc(of(context).context, count, size);
}
void* python_realloc(void* context, void* block, size_t size) {
  return python.fails("realloc") ? nullptr : of(context).realloc(of(context).context, block, size);
}
void python_free(void* context, void* block) { of(context).free(of(context).context, block); }

Source& source(int which) { return which == 0 ? native : python; }

}  // namespace

extern "C" {

/// Catches the allocations of the object whose path contains `part`; how many places they are made through.
int faults_catch_native(const char* part) {
  Search search{part, 0};
  caught_object = part;
  asked_by_object();  // the first backtrace allocates
  dl_iterate_phdr(visit, &search);
  return search.replaced;
}

using Access = void (*)(int, PythonAllocator*);
/// Catches Python's, given PyMem_GetAllocator and PyMem_SetAllocator.
void faults_catch_python(Access get, Access set) {
  for (int domain = 0; domain < 3; ++domain) {
    get(domain, &before[domain]);
    PythonAllocator mine{&before[domain], python_malloc, python_calloc, python_realloc, python_free};
    set(domain, &mine);
  }
}

/// From here on allocations first to last, counted from 1, fail.
void faults_arm(int which, long first, long last) {
  source(which).count = source(which).hits = 0;
  source(which).last = last;
  source(which).first = first;
}
void faults_disarm(int which) { source(which).first = 0; }
long faults_count(int which) { return source(which).count; }
long faults_hits(int which) { return source(which).hits; }
const char* faults_kind(int which) { return source(which).kind; }
int faults_inside(int which) { return source(which).inside; }
/// Native blocks allocated less those freed.
long faults_live() { return native.live; }
}
