/* The C interface of mathnas: runs networks, serves supernets whose budget changes, predicts and searches in block
 * tables. C99, and C++ from 98 on.
 *
 * Calls return a mathnas_status: MATHNAS_OK (0), or what went wrong, and mathnas_last_error() then says it in words. No
 * exception, signal, exit or output leaves the library.
 *
 * Handles name objects of the library. A handle is made by a function whose last parameter is its address (which is set
 * to null where the call fails) and ended by its ..._destroy, for which null is no error. It is no address: a handle
 * that was destroyed, is of another type, or never was one is recognised and answered with MATHNAS_BAD_HANDLE. Objects
 * that an object needs live on inside of it: handles may be destroyed in any order, also while other threads use them.
 *
 * Structs begin with struct_size and are prepared by their ..._init, which is given sizeof the struct and also sets the
 * defaults. A program that was compiled against an older header passes a smaller size, and goes on working. One of a
 * newer header passes a larger one, which is taken as long as what this library does not know is zero. Null for options
 * stands for the defaults.
 *
 * Texts are UTF-8 and end with a zero. A text, name or array that a function hands out belongs to the object that was
 * asked, and is valid until the call of the destroy function of its handle.
 *
 * Threads: every function may be called from any thread at any time, and on different handles at the same time. What
 * may be done at the same time with one handle:
 * - mathnas_model: everything; immutable; plans are made one after the other
 * - mathnas_plan: everything; immutable; any number of contexts share it
 * - mathnas_context: one call; another at the same time returns MATHNAS_BUSY: one context for each thread
 * - mathnas_server: everything; as many runs at the same time as it has lanes, others wait
 * - mathnas_table, mathnas_predictor, mathnas_result: everything; immutable
 * - mathnas_cancel: everything; an atomic flag
 * - mathnas_translator: one call; another at the same time returns MATHNAS_BUSY
 *
 * Not after fork() in the child, if a model with more than one thread, and without parallel_for, was used before:
 * OpenMP does not allow it.
 */
#ifndef MATHNAS_BINDINGS_C_MATHNAS_H_
#define MATHNAS_BINDINGS_C_MATHNAS_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MATHNAS_API __attribute__((visibility("default")))
#else
#define MATHNAS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Versions and errors ------------------------------------------------------------------------------------------
 */

/* Grows with every addition to this header. Nothing is taken away or renumbered while the first part of the version of
 * the shared library stays the same. */
#define MATHNAS_API_VERSION 3

/* MATHNAS_API_VERSION of the library that runs, to be compared with that of the header; and "0.1.0". */
MATHNAS_API uint32_t mathnas_api_version(void);
MATHNAS_API const char* mathnas_version_string(void);

typedef int32_t mathnas_status;
enum {
  MATHNAS_OK = 0,
  MATHNAS_INVALID_ARGUMENT = 1,    /* an argument, or what a file says */
  MATHNAS_NOT_FOUND = 2,           /* a file, a tensor, a name */
  MATHNAS_PERMISSION_DENIED = 3,   /* by the system */
  MATHNAS_RESOURCE_EXHAUSTED = 4,  /* memory, or a limit of this library */
  MATHNAS_UNIMPLEMENTED = 5,       /* not in this build or version: another device, a newer file format */
  MATHNAS_FAILED_PRECONDITION = 6, /* something else has to be done before */
  MATHNAS_CANCELLED = 7,           /* by the flag that was given */
  MATHNAS_INTERNAL = 8,            /* the system or another library failed */
  MATHNAS_BAD_HANDLE = 9,          /* null, destroyed, of another type or no handle at all */
  MATHNAS_BUSY = 10                /* another thread is using this handle */
};

/* "MATHNAS_OK", ...; "unknown status" for anything else. */
MATHNAS_API const char* mathnas_status_name(mathnas_status status);
/* What the last call of this thread that returns a status said: a text for people, empty after MATHNAS_OK, of at most
 * 2047 bytes. Valid until the next such call of this thread. */
MATHNAS_API const char* mathnas_last_error(void);

/* ---- Handles ------------------------------------------------------------------------------------------------------
 */

typedef struct mathnas_model_tag* mathnas_model;
typedef struct mathnas_plan_tag* mathnas_plan;
typedef struct mathnas_context_tag* mathnas_context;
typedef struct mathnas_table_tag* mathnas_table;
typedef struct mathnas_predictor_tag* mathnas_predictor;
typedef struct mathnas_result_tag* mathnas_result;
typedef struct mathnas_cancel_tag* mathnas_cancel;
typedef struct mathnas_translator_tag* mathnas_translator;
typedef struct mathnas_server_tag* mathnas_server;

/* Handles that are alive in this process, of all types; at most 65536. For tests: 0 once everything is destroyed. */
MATHNAS_API uint32_t mathnas_live_handles(void);

/* ---- Hooks --------------------------------------------------------------------------------------------------------
 */

/* Memory of `bytes`, a multiple of `alignment`, which is a power of two; null if there is none, which becomes
 * MATHNAS_RESOURCE_EXHAUSTED. Called by mathnas_context_create. */
typedef void* (*mathnas_allocate)(void* user, size_t bytes, size_t alignment);
/* Called when the context is gone, with what the allocation was called with. */
typedef void (*mathnas_release)(void* user, void* memory, size_t bytes, size_t alignment);

enum { MATHNAS_LOG_INFO = 0, MATHNAS_LOG_WARNING = 1 };
/* A line, without its end. Called on the thread whose call has something to say; never by a run. */
typedef void (*mathnas_log)(void* user, int32_t level, const char* text);

/* Calls task(argument, i) once for every i of 0 .. count-1, on any threads and in any order, and returns when all are
 * done. May be called from several threads at once, and from a task of another call, where programs run so. Of a run,
 * count is at least 2. */
typedef void (*mathnas_task)(void* argument, int64_t index);
typedef void (*mathnas_parallel_for)(void* user, int64_t count, mathnas_task task, void* argument);

/* ---- Models: a file with weights ----------------------------------------------------------------------------------
 */

enum {
  MATHNAS_CPU = 0,
  MATHNAS_REFERENCE = 1 /* naive loops in double, slow: to check results with; threads is 1 without parallel_for */,
  MATHNAS_CUDA = 2 /* the first GPU; threads is 1, without parallel_for */
};

typedef struct mathnas_model_options {
  uint32_t struct_size;
  int32_t device; /* MATHNAS_CPU */
  /* Threads of a run, 1 to 4096. 1, the default, runs on the thread that calls and on no other. With more, oneDNN and
   * the library's own kernels use a team of OpenMP threads for each thread that calls, unless there is a parallel_for
   * (below). */
  int32_t threads;
  /* For mathnas_model_read. 0, the default: the bytes are copied. 1: they are used where they are, and must stay there
   * unchanged until bytes_released (if not null) is called, which is once, unless reading fails. */
  int32_t borrow;
  void (*bytes_released)(void* user);
  void* bytes_user;
  /* Of the memory of contexts (activations and scratch, most of what is not weights); both or neither. Weights and
   * small objects come from malloc. */
  mathnas_allocate allocate;
  mathnas_release release;
  void* allocator_user;
  mathnas_log log;
  void* log_user;
  /* Since version 3; null. In place of OpenMP: a run of a context or server is cut into parts of the batch, at most
   * `threads` and of a row each at least, which this runs, each on one thread; with a batch of 1 the thread that calls
   * does everything. Plans and servers do all else on the thread that calls (a server also on its own). Kernels are
   * chosen for the size of a part, so values may differ by roundings from those of the whole batch. Of MATHNAS_CPU and
   * MATHNAS_REFERENCE. A run whose parallel_for returns before its tasks are done is MATHNAS_FAILED_PRECONDITION. It is
   * called as long as there are contexts and servers of the model. */
  mathnas_parallel_for parallel_for;
  void* parallel_user;
} mathnas_model_options;
MATHNAS_API mathnas_status mathnas_model_options_init(mathnas_model_options* options, size_t struct_size);

/* A deployed network (network.mathnas), or a checkpoint of a supernet or of one network, which must be of images. The
 * file is mapped into memory where it is a network; replacing it does no harm, writing into it does. Errors name the
 * file, the field and what was expected: MATHNAS_INVALID_ARGUMENT for a file that is truncated, damaged or of another
 * format, MATHNAS_UNIMPLEMENTED for a format version or element type that this library does not know and for
 * translators. */
MATHNAS_API mathnas_status mathnas_model_open(const char* path, const mathnas_model_options* options,
                                              mathnas_model* model);
/* The same of the bytes of such a file, of any alignment. */
MATHNAS_API mathnas_status mathnas_model_read(const void* bytes, size_t size, const mathnas_model_options* options,
                                              mathnas_model* model);
MATHNAS_API mathnas_status mathnas_model_destroy(mathnas_model model);

enum { MATHNAS_NETWORK = 0 /* one network */, MATHNAS_SUPERNET = 1 /* plans say which of its networks */ };
enum { MATHNAS_F32 = 0, MATHNAS_F64 = 1, MATHNAS_U8 = 2, MATHNAS_U16 = 3 };

/* An input or output. */
typedef struct mathnas_tensor {
  uint32_t struct_size;
  int32_t type; /* MATHNAS_F32 */
  int32_t rank; /* of shape */
  /* 0, or the number of channels (the last extent) of an input that also takes pixels: a pixel p of channel c becomes
   * (p - mean[c]) / deviation[c]. */
  uint32_t normalised_channels;
  int64_t shape[8]; /* the batch first, 1 for that of a model; images are {batch, height, width, channels} */
  uint64_t bytes;   /* of the whole tensor, dense and row-major */
  const char* name;
  const double* mean;
  const double* deviation;
} mathnas_tensor;
MATHNAS_API mathnas_status mathnas_tensor_init(mathnas_tensor* tensor, size_t struct_size);

MATHNAS_API mathnas_status mathnas_model_kind(mathnas_model model, int32_t* kind);
/* The only input and the only output there are. Of a supernet those of its base network: the sizes of others may
 * differ, see mathnas_plan_input. */
MATHNAS_API mathnas_status mathnas_model_input(mathnas_model model, mathnas_tensor* tensor);
MATHNAS_API mathnas_status mathnas_model_output(mathnas_model model, mathnas_tensor* tensor);
/* Names of the entries of the last axis of the output; 0 if the file has none. */
MATHNAS_API mathnas_status mathnas_model_class_count(mathnas_model model, uint32_t* count);
MATHNAS_API mathnas_status mathnas_model_class_name(mathnas_model model, uint32_t index, const char** name);
/* A JSON object. Of a network what its maker wrote: space, subnet, metrics, limits, ... Of a checkpoint {"space",
 * "macro", "nodes": [{"name", "candidates", "reference"}, ..]} and, if it is of one network, "subnet". */
MATHNAS_API mathnas_status mathnas_model_information(mathnas_model model, const char** json);

/* ---- Plans: a network, prepared for a batch -----------------------------------------------------------------------
 */

typedef struct mathnas_plan_options {
  uint32_t struct_size;
  uint32_t choice_count;
  int64_t batch; /* 1, up to 65536 */
  /* Which network of a supernet: `subnet` as JSON text as the command line takes it, or a candidate number for each
   * node, as mathnas_network has it. Both null for models of one network. */
  const char* subnet;
  const int32_t* choice;
} mathnas_plan_options;
MATHNAS_API mathnas_status mathnas_plan_options_init(mathnas_plan_options* options, size_t struct_size);

/* The expensive step: chooses kernels, packs weights. While a plan for the same network and batch is alive, asking
 * again gives a new handle of it at once. Plans of one network share its weights, packed ones too where kernels agree.
 * Batch normalisation of a supernet is as the checkpoint has it, not recalibrated for the network: the log says so. */
MATHNAS_API mathnas_status mathnas_plan_create(mathnas_model model, const mathnas_plan_options* options,
                                               mathnas_plan* plan);
MATHNAS_API mathnas_status mathnas_plan_destroy(mathnas_plan plan);

MATHNAS_API mathnas_status mathnas_plan_input(mathnas_plan plan, mathnas_tensor* tensor);
MATHNAS_API mathnas_status mathnas_plan_output(mathnas_plan plan, mathnas_tensor* tensor);

typedef struct mathnas_plan_memory {
  uint32_t struct_size;
  uint32_t alignment;       /* of a workspace: 64 */
  uint64_t workspace_bytes; /* of each context */
  uint64_t weight_bytes;    /* as the network has them; shared by all plans of the network */
  uint64_t packed_bytes;    /* of weights packed for kernels, of all plans of the model together */
} mathnas_plan_memory;
MATHNAS_API mathnas_status mathnas_plan_memory_init(mathnas_plan_memory* memory, size_t struct_size);
MATHNAS_API mathnas_status mathnas_plan_get_memory(mathnas_plan plan, mathnas_plan_memory* memory);
/* One line per step: block, operator, shapes, which kernel was chosen, its scratch. With parallel_for, the steps of a
 * part, for each size of them. */
MATHNAS_API mathnas_status mathnas_plan_describe(mathnas_plan plan, const char** text);

/* ---- Contexts: what one thread needs to run a plan ----------------------------------------------------------------
 */

typedef struct mathnas_context_options {
  uint32_t struct_size;
  uint32_t reserved; /* 0 */
  /* Memory of the caller instead of that of the model's allocator: at least workspace_bytes of the plan, aligned, until
   * the context is destroyed. Contexts that do not run at the same time may share it, and lose their inputs and outputs
   * to one another. */
  void* workspace;
  uint64_t workspace_bytes;
} mathnas_context_options;
MATHNAS_API mathnas_status mathnas_context_options_init(mathnas_context_options* options, size_t struct_size);

MATHNAS_API mathnas_status mathnas_context_create(mathnas_plan plan, const mathnas_context_options* options,
                                                  mathnas_context* context);
MATHNAS_API mathnas_status mathnas_context_destroy(mathnas_context context);

typedef struct mathnas_bindings {
  uint32_t struct_size;
  /* MATHNAS_F32: values as the network computes with them; MATHNAS_U8: pixels, see normalised_channels (where that is
   * 0, a pixel stands for its value). */
  int32_t input_type;
  int64_t rows; /* images: 1 to the plan's batch; 0, the default, for the batch. A part takes as long for fewer. */
  /* Dense and row-major, rows times the bytes of a row exactly, of any alignment. Null: the context's own memory, of
   * the type MATHNAS_F32 (mathnas_context_memory). Input and output may overlap. */
  const void* input;
  uint64_t input_bytes;
  float* output;
  uint64_t output_bytes;
} mathnas_bindings;
MATHNAS_API mathnas_status mathnas_bindings_init(mathnas_bindings* bindings, size_t struct_size);

/* From where to where runs go, until the next setup. A new context is set up for its own memory. */
MATHNAS_API mathnas_status mathnas_context_setup(mathnas_context context, const mathnas_bindings* bindings);
/* The context's own input and output, of the plan's shapes, valid as long as the context: written before a run and read
 * after it, they save a copy each where there are no parts. Either may be null. */
MATHNAS_API mathnas_status mathnas_context_memory(mathnas_context context, float** input, float** output);
/* Allocates nothing but what oneDNN does inside of a few of its primitives; takes no lock. Where a part fails, its
 * error is that of the run, and nothing is written to the output. */
MATHNAS_API mathnas_status mathnas_context_run(mathnas_context context);

/* ---- Block tables: what was measured of every block of a search space ------------------------------------------- */

/* A block table (JSON, "mathnas-block-table/1"), from a file or from text, which need not end with a zero. */
MATHNAS_API mathnas_status mathnas_table_open(const char* path, mathnas_table* table);
MATHNAS_API mathnas_status mathnas_table_read(const char* text, size_t size, mathnas_table* table);
MATHNAS_API mathnas_status mathnas_table_destroy(mathnas_table table);

MATHNAS_API mathnas_status mathnas_table_node_count(mathnas_table table, uint32_t* count);
MATHNAS_API mathnas_status mathnas_table_candidate_count(mathnas_table table, uint32_t node, uint32_t* count);
/* {"space", "nodes": [{"name", "candidates", "reference"}, ..], "shared": {"name", "values"} or null, "metrics": {NAME:
 * {"unit", "goal": "min" or "max"}, ..}} */
MATHNAS_API mathnas_status mathnas_table_describe(mathnas_table table, const char** json);

/* ---- Search: the best network within limits, proven -----------------------------------------------------------------
 */

/* A flag that ends searches: they return MATHNAS_CANCELLED soon. */
MATHNAS_API mathnas_status mathnas_cancel_create(mathnas_cancel* cancel);
MATHNAS_API mathnas_status mathnas_cancel_set(mathnas_cancel cancel, int32_t cancelled);
MATHNAS_API mathnas_status mathnas_cancel_destroy(mathnas_cancel cancel);

typedef struct mathnas_search_options {
  uint32_t struct_size;
  int32_t top; /* networks, best first: 1, up to 100000 */
  uint32_t limit_count, fixed_count, forbidden_count, front_count;
  const char* objective;   /* "accuracy" */
  const char* estimator;   /* "eq6", or "eq5", "linear", "interaction" */
  const char* flops_fixed; /* whether the FLOPs of the fixed part count: "exclude", or "include" */
  double time_limit;       /* seconds, infinity; the best network so far and a proven bound when they are over */
  /* Lists of texts, of the numbers given above. */
  const char* const* limits;    /* "latency<=5", "20<=flops<=60", "latency<=5 ms" */
  const char* const* fixed;     /* "NAME=CANDIDATE", of a node or of the shared choice */
  const char* const* forbidden; /* the same */
  const char* const* fronts;    /* one metric or two: every network that none beats in the objective and in these */
  mathnas_cancel cancel;        /* null */
} mathnas_search_options;
MATHNAS_API mathnas_status mathnas_search_options_init(mathnas_search_options* options, size_t struct_size);

/* That nothing fits is a result (MATHNAS_INFEASIBLE), which says why. */
MATHNAS_API mathnas_status mathnas_search(mathnas_table table, const mathnas_search_options* options,
                                          mathnas_result* result);
MATHNAS_API mathnas_status mathnas_result_destroy(mathnas_result result);

enum {
  MATHNAS_OPTIMAL = 0,
  MATHNAS_FEASIBLE = 1,   /* time ran out: the networks keep within the limits, none is better than `bound` */
  MATHNAS_INFEASIBLE = 2, /* no network keeps within the limits */
  MATHNAS_UNKNOWN = 3     /* time ran out before a network was found, or shown not to exist */
};

typedef struct mathnas_result_summary {
  uint32_t struct_size;
  int32_t outcome; /* MATHNAS_OPTIMAL, ... */
  uint32_t network_count;
  uint32_t front_count;
  double objective; /* of the best network, in its metric's unit; NaN if there is none */
  double bound;     /* proven: nothing within the limits is better */
  double gap;       /* |bound - objective| / |objective| */
  double seconds;
  int64_t explored; /* networks looked at, or parts of the space */
} mathnas_result_summary;
MATHNAS_API mathnas_status mathnas_result_summary_init(mathnas_result_summary* summary, size_t struct_size);
MATHNAS_API mathnas_status mathnas_result_get_summary(mathnas_result result, mathnas_result_summary* summary);
/* All of it, as the command line prints it: also names, limits, which of them clash, the nearest budget. */
MATHNAS_API mathnas_status mathnas_result_json(mathnas_result result, const char** json);

enum { MATHNAS_NETWORKS = 0 /* best first */, MATHNAS_FRONT = 1 /* by objective, from worst to best */ };

typedef struct mathnas_network {
  uint32_t struct_size;
  uint32_t choice_count;
  const int32_t* choice; /* a candidate number for each node: also mathnas_plan_options */
  int32_t shared_index;  /* of the value of the shared choice; 0 if there is none */
  uint32_t reserved;
  double objective;
} mathnas_network;
MATHNAS_API mathnas_status mathnas_network_init(mathnas_network* network, size_t struct_size);
MATHNAS_API mathnas_status mathnas_result_network(mathnas_result result, int32_t list, uint32_t index,
                                                  mathnas_network* network);
/* What is predicted of it, in the metric's unit; NaN = not measured. */
MATHNAS_API mathnas_status mathnas_result_predicted(mathnas_result result, int32_t list, uint32_t index,
                                                    const char* metric, double* value);

/* ---- Servers: a supernet that serves while its budget changes -------------------------------------------------------
 *
 * Answers requests by the subnet that is best, by a block table, within the limits of the moment. When these change,
 * or when the latency that is measured calls for it, the next subnet is solved for, prepared while the present one
 * serves, and takes over between two requests: every request is answered by one subnet, and told which.
 *
 * Subnets have numbers: 0, 1, .. in the order in which the server has named them; they stay as long as the server.
 */

/* Seconds that never go backwards. */
typedef double (*mathnas_clock)(void* user);

typedef struct mathnas_server_options {
  uint32_t struct_size;
  int32_t lanes;      /* 1, up to 1024: requests that run at the same time; others wait */
  int64_t batch;      /* 1, up to 65536: images of a run; a request of more takes several */
  int32_t image_side; /* 0: as the networks have it. Of the images of requests, where networks differ in theirs */
  int32_t prepared;   /* 8, at least 2: subnets that are kept ready, the present one included */
  int32_t background; /* 1: a thread of the server prepares. 0: whoever calls mathnas_server_work or _wait */
  int32_t nearest;    /* 0. 1: if nothing keeps the limits at the measured latency, the subnet that comes nearest */
  /* Objective, estimator, first limits, what is fixed and forbidden. Null: the most accurate network without limits.
   * The other fields do not count. */
  const mathnas_search_options* search;
  /* Candidates of the networks, where the table has others than the checkpoint: the blocks of mobilenetv3 ("cpu",
   * "gpu", "layers", or the file of a block set); and the resolutions, null for those of the table. */
  const char* blocks;
  const int32_t* resolutions;
  uint32_t resolution_count;
  /* Batch normalisation: no subnet serves without statistics of its own. They are in `statistics_file` (of
   * mathnas_server_save_statistics, for the same weights), or else taken when the subnet is prepared on images of the
   * training part: `calibration_data`, as the command line takes it ("fashion-mnist", "folder:F", "arrays:F", ..), or
   * `calibration_pixels`. All null: only subnets without batch normalisation, or whose statistics are known. */
  uint32_t calibration_channels;
  const char* statistics_file;
  const char* calibration_data;
  const uint8_t* calibration_pixels; /* {calibration_images, height, width, channels}; copied */
  int64_t calibration_images, calibration_height, calibration_width;
  const double* calibration_mean;      /* of each channel, in units of pixels; null: 0 */
  const double* calibration_deviation; /* null: 1 */
  int64_t calibration_batches;         /* 20 */
  int64_t calibration_batch;           /* 128; never more than there are images */
  uint64_t seed;                       /* of the images that are drawn */
  /* The metric of the table, in ms, whose limit "<=" the measured latency is to keep ("latency"). Null: the latency is
   * counted, and changes nothing. */
  const char* follow;
  int32_t follow_warmup; /* 5: runs of a subnet that are not looked at */
  int32_t follow_window; /* 20: runs whose median is */
  /* Of the limit: slower than 1 + over is too slow; faster than 1 - under has room for a better subnet; new ones are
   * looked for below 1 - margin. */
  double follow_over, follow_under, follow_margin; /* 0.05, 0.15, 0.02 */
  double follow_dwell, follow_longest_patience;    /* 1, 64: seconds between switches; see mathnas/runtime */
  mathnas_clock clock;                             /* null: that of the system */
  void* clock_user;
} mathnas_server_options;
MATHNAS_API mathnas_status mathnas_server_options_init(mathnas_server_options* options, size_t struct_size);

/* Of a supernet, on the device and with the threads or parallel_for of the model (its allocator is not used), and a
 * block table of its space. The first subnet is prepared before it returns. MATHNAS_FAILED_PRECONDITION: no network
 * keeps the limits; the text says which clash and what could be met; or there are no statistics for the best. */
MATHNAS_API mathnas_status mathnas_server_create(mathnas_model model, mathnas_table table,
                                                 const mathnas_server_options* options, mathnas_server* server);
/* Requests that run are answered. A preparation that is under way is given up. */
MATHNAS_API mathnas_status mathnas_server_destroy(mathnas_server server);

/* Of a run: {batch, side, side, channels}, normalised as in training, and {batch, classes}. */
MATHNAS_API mathnas_status mathnas_server_input(mathnas_server server, mathnas_tensor* tensor);
MATHNAS_API mathnas_status mathnas_server_output(mathnas_server server, mathnas_tensor* tensor);

typedef struct mathnas_served {
  uint32_t struct_size;
  uint32_t subnet;     /* whose answer it is */
  double milliseconds; /* of the runs, without waiting for a lane */
} mathnas_served;
MATHNAS_API mathnas_status mathnas_served_init(mathnas_served* served, size_t struct_size);

/* Answers a request: input and output are the caller's, MATHNAS_F32, rows (0: the batch) any number, of one subnet all.
 * `served` may be null. */
MATHNAS_API mathnas_status mathnas_server_run(mathnas_server server, const mathnas_bindings* bindings,
                                              mathnas_served* served);

enum {
  MATHNAS_PRESENT = 0,  /* it serves already */
  MATHNAS_SWITCHED = 1, /* it was ready: it answers the next request */
  MATHNAS_PLANNED = 2   /* it is prepared first; until then the present one serves */
};

typedef struct mathnas_decision {
  uint32_t struct_size;
  int32_t switching; /* MATHNAS_PRESENT, ... */
  uint32_t subnet;
  uint32_t reserved;
  double objective; /* predicted, in its metric's unit; NaN of mathnas_server_set_subnet */
} mathnas_decision;
MATHNAS_API mathnas_status mathnas_decision_init(mathnas_decision* decision, size_t struct_size);

/* New limits in place of all before ("latency<=4", as in mathnas_search_options), of which there may be none. Solved on
 * the thread that calls. MATHNAS_FAILED_PRECONDITION: no network keeps them; limits and subnet stay as they are.
 * `decision` may be null. */
MATHNAS_API mathnas_status mathnas_server_set_limits(mathnas_server server, const char* const* limits, uint32_t count,
                                                     mathnas_decision* decision);
/* The same, in place of the limits of one metric alone: at most `limit`, or at least if more is better; infinite: none.
 */
MATHNAS_API mathnas_status mathnas_server_set_budget(mathnas_server server, const char* metric, double limit,
                                                     mathnas_decision* decision);
/* A subnet (JSON, as the command line takes it) whatever the limits, which count again from the next change of limits,
 * or latency that calls for another, on. */
MATHNAS_API mathnas_status mathnas_server_set_subnet(mathnas_server server, const char* subnet,
                                                     mathnas_decision* decision);
/* Makes a subnet ready on the thread that calls, without serving it. */
MATHNAS_API mathnas_status mathnas_server_prepare(mathnas_server server, const char* subnet);
/* Until nothing is to be done; what is the error of the subnet that was asked for last, if preparing it failed. */
MATHNAS_API mathnas_status mathnas_server_wait(mathnas_server server);
/* Where nothing works in the background: does one thing that is to be done; whether there was one. `worked` may be
 * null. */
MATHNAS_API mathnas_status mathnas_server_work(mathnas_server server, int32_t* worked);

/* The subnet that answers the next request. */
MATHNAS_API mathnas_status mathnas_server_present(mathnas_server server, uint32_t* subnet);

typedef struct mathnas_subnet {
  uint32_t struct_size;
  uint32_t choice_count;
  const int32_t* choice; /* a candidate number for each node of the space: also mathnas_plan_options */
  const char* json;      /* the same as the command line has it */
  int64_t requests, runs;
  double milliseconds; /* of all runs */
} mathnas_subnet;
MATHNAS_API mathnas_status mathnas_subnet_init(mathnas_subnet* subnet, size_t struct_size);
MATHNAS_API mathnas_status mathnas_server_subnet(mathnas_server server, uint32_t index, mathnas_subnet* subnet);

typedef struct mathnas_server_statistics {
  uint32_t struct_size;
  uint32_t subnet_count; /* that have numbers */
  int64_t requests, failed_requests;
  int64_t switches, followed;          /* subnets that were replaced; of these, after a measured latency */
  int64_t hits, misses;                /* decisions for a subnet that was ready, that was not */
  int64_t prepared, evicted;           /* subnets that were made ready; of these, given up for others */
  int64_t failures;                    /* preparations that failed */
  int64_t infeasible;                  /* limits that no network kept */
  int64_t ready;                       /* subnets that are ready now */
  int64_t subnet_statistics;           /* subnets whose batch normalisation is known */
  uint64_t weight_bytes, packed_bytes; /* of those that are ready; packed: of everything on the model's device */
  uint64_t arena_bytes;                /* activations and scratch of all lanes */
  double latency_factor;               /* measured over predicted; 1 until it is known */
  double measured_ms;                  /* of the last window of the present subnet; NaN until it is known */
  char last_problem[256];              /* of the last preparation or followed latency; empty after a success */
} mathnas_server_statistics;
MATHNAS_API mathnas_status mathnas_server_statistics_init(mathnas_server_statistics* statistics, size_t struct_size);
MATHNAS_API mathnas_status mathnas_server_get_statistics(mathnas_server server, mathnas_server_statistics* statistics);

/* The statistics of batch normalisation that are known, for `statistics_file`. Complete or not at all. */
MATHNAS_API mathnas_status mathnas_server_save_statistics(mathnas_server server, const char* path);

/* ---- Predictions of many networks ----------------------------------------------------------------------------------
 */

typedef struct mathnas_predictor_options {
  uint32_t struct_size;
  uint32_t metric_count;
  const char* const* metrics; /* in the order of the columns */
  const char* estimator;      /* "eq6", or "eq5", "linear" */
  const char* flops_fixed;    /* as in mathnas_search_options */
  int32_t shared_index;       /* of the value of the shared choice */
  uint32_t reserved;
} mathnas_predictor_options;
MATHNAS_API mathnas_status mathnas_predictor_options_init(mathnas_predictor_options* options, size_t struct_size);

MATHNAS_API mathnas_status mathnas_predictor_create(mathnas_table table, const mathnas_predictor_options* options,
                                                    mathnas_predictor* predictor);
MATHNAS_API mathnas_status mathnas_predictor_destroy(mathnas_predictor predictor);

typedef struct mathnas_predictions {
  uint32_t struct_size;
  int32_t choice_type; /* MATHNAS_U8 or MATHNAS_U16 */
  /* A network per row, a candidate number per node; row r begins at entry r * choice_stride (0: the number of nodes).
   */
  const void* choices;
  int64_t rows;
  int64_t choice_stride;
  /* The value of metric k for row r is entry k * value_stride + r (0: the number of rows): in the metric's unit, NaN
   * where there is none. Aligned to the type, best to 64 bytes. */
  void* values;
  int64_t value_stride;
  int32_t value_type;                /* MATHNAS_F64 or MATHNAS_F32 */
  int32_t threads;                   /* 1; of the library's own, or, with parallel_for, parts that it is called with */
  mathnas_parallel_for parallel_for; /* null */
  void* parallel_user;
} mathnas_predictions;
MATHNAS_API mathnas_status mathnas_predictions_init(mathnas_predictions* predictions, size_t struct_size);

/* MATHNAS_INVALID_ARGUMENT also for a candidate number out of range: the values are not to be used then. */
MATHNAS_API mathnas_status mathnas_predictor_run(mathnas_predictor predictor, const mathnas_predictions* predictions);

/* ---- Translators ---------------------------------------------------------------------------------------------------
 */

/* A deployed translation network (translator.mathnas). Of the options, device, threads and log count. With parallel_for
 * it is MATHNAS_INVALID_ARGUMENT: after every word the hypotheses for a sentence go on from one another, so they cannot
 * be parts that run apart. */
MATHNAS_API mathnas_status mathnas_translator_open(const char* path, const mathnas_model_options* options,
                                                   mathnas_translator* translator);
MATHNAS_API mathnas_status mathnas_translator_destroy(mathnas_translator translator);
MATHNAS_API mathnas_status mathnas_translator_information(mathnas_translator translator, const char** json);
/* Translates a sentence. `text` is valid until the next call with this translator, also on other threads. Lengths of
 * sentences that come for the first time are prepared for, which allocates. `cancel`, `score` (the log probability, by
 * the length penalty) may be null. */
MATHNAS_API mathnas_status mathnas_translator_run(mathnas_translator translator, const char* sentence,
                                                  mathnas_cancel cancel, const char** text, double* score);

#ifdef __cplusplus
}
#endif

#endif /* MATHNAS_BINDINGS_C_MATHNAS_H_ */
