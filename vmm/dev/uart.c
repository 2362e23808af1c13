/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A 16550A serial port. Register and bit names are those of the PC16550D data sheet.
 *
 * Owns the line's registers, its 16-byte receive FIFO and a transmit buffer. Transmission takes
 * no time: THRE and TEMT are always set. Bytes for the outside gather in tx[] and go to
 * serial_out at a newline, when the buffer is full, or when the machine asks (uart_flush).
 *
 * Invariants: rx_len <= rx_room(u); tx_len < sizeof(tx) between calls; bytes reach serial_out
 * once and in order.
 *
 * Locks: one mutex per port, held over serial_out so that the order holds.
 *
 * Known limits: character time is not modelled, so the time-out interrupt of a FIFO below its
 * trigger level comes at once; the interrupt pin is not wired, only IIR tells.
 *
 * Read first: dev.h.
 */
#include "vmm/dev/dev.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define UART_PORTS 8
#define FIFO_SIZE  16
#define TX_SIZE	   256

enum { IER_ERBFI = 0x01, IER_ETBEI = 0x02, IER_ELSI = 0x04, IER_EDSSI = 0x08 };
/* clang-format off */
enum { IIR_MODEM = 0x00, IIR_NONE = 0x01, IIR_THRE = 0x02, IIR_RX = 0x04, IIR_LINE = 0x06,
       IIR_TIMEOUT = 0x0c, IIR_FIFO = 0xc0 };
/* clang-format on */
enum { FCR_ENABLE = 0x01, FCR_RX_RESET = 0x02, FCR_TRIGGER_SHIFT = 6 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 0x01, MCR_RTS = 0x02, MCR_OUT1 = 0x04, MCR_OUT2 = 0x08, MCR_LOOP = 0x10 };
enum { LSR_DR = 0x01, LSR_OE = 0x02, LSR_ERRORS = 0x1e, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
/* clang-format off */
enum { MSR_DELTA = 0x0f, MSR_TERI = 0x04, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40,
       MSR_DCD = 0x80 };
/* clang-format on */

struct uart {
	pthread_mutex_t lock;
	const struct dev_host *host;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t lsr_errors; /* OE and friends, until LSR is read */
	uint8_t msr;
	bool thre_pending; /* the THRE interrupt's own latch: IIR reads clear it */
	uint8_t rx[FIFO_SIZE];
	unsigned rx_head, rx_len;
	uint8_t tx[TX_SIZE];
	unsigned tx_len;
};

/* The outside end is always there and ready. */
#define MSR_LINE (MSR_DCD | MSR_DSR | MSR_CTS)

static unsigned rx_room(const struct uart *u)
{
	return u->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static bool rx_put(struct uart *u, uint8_t byte)
{
	if (u->rx_len >= rx_room(u))
		return false;
	u->rx[(u->rx_head + u->rx_len++) % FIFO_SIZE] = byte;
	return true;
}

static void tx_give(struct uart *u)
{
	if (u->tx_len)
		u->host->serial_out(u->host->ctx, u->tx, u->tx_len);
	u->tx_len = 0;
}

static void tx_put(struct uart *u, uint8_t byte)
{
	u->tx[u->tx_len++] = byte;
	if (byte == '\n' || u->tx_len == TX_SIZE)
		tx_give(u);
}

/* The modem inputs' level: the outside's, or with loopback the four outputs (data sheet 8.8:
 * DTR to DSR, RTS to CTS, OUT1 to RI, OUT2 to DCD). */
static uint8_t modem_lines(const struct uart *u)
{
	uint8_t lines = 0;

	if (!(u->mcr & MCR_LOOP))
		return MSR_LINE;
	lines |= u->mcr & MCR_DTR ? MSR_DSR : 0;
	lines |= u->mcr & MCR_RTS ? MSR_CTS : 0;
	lines |= u->mcr & MCR_OUT1 ? MSR_RI : 0;
	lines |= u->mcr & MCR_OUT2 ? MSR_DCD : 0;
	return lines;
}

/* Delta bits stand four below their lines, and stay until MSR is read. TERI is the trailing edge:
 * it does not come when RI rises. */
static void modem_update(struct uart *u)
{
	uint8_t now = modem_lines(u), was = u->msr & 0xf0;
	uint8_t delta = (uint8_t)((now ^ was) >> 4);

	if (now & MSR_RI)
		delta &= (uint8_t)~MSR_TERI;
	u->msr = (uint8_t)(now | (u->msr & MSR_DELTA) | delta);
}

static uint8_t line_status(const struct uart *u)
{
	return (uint8_t)(LSR_THRE | LSR_TEMT | u->lsr_errors | (u->rx_len ? LSR_DR : 0));
}

static uint8_t rx_cause(const struct uart *u)
{
	static const uint8_t trigger[4] = {1, 4, 8, 14};

	if (!(u->fcr & FCR_ENABLE) || u->rx_len >= trigger[u->fcr >> FCR_TRIGGER_SHIFT])
		return IIR_RX;
	return IIR_TIMEOUT;
}

/* The highest-priority cause (data sheet table IV). */
static uint8_t cause(const struct uart *u)
{
	if ((u->ier & IER_ELSI) && u->lsr_errors)
		return IIR_LINE;
	if ((u->ier & IER_ERBFI) && u->rx_len)
		return rx_cause(u);
	if ((u->ier & IER_ETBEI) && u->thre_pending)
		return IIR_THRE;
	if ((u->ier & IER_EDSSI) && (u->msr & MSR_DELTA))
		return IIR_MODEM;
	return IIR_NONE;
}

/* Registers: one get and one set each. */

static uint8_t get_rbr(struct uart *u)
{
	uint8_t byte;

	if (u->lcr & LCR_DLAB)
		return u->dll;
	if (!u->rx_len)
		return 0;
	byte = u->rx[u->rx_head];
	u->rx_head = (u->rx_head + 1) % FIFO_SIZE;
	u->rx_len--;
	return byte;
}

static void set_thr(struct uart *u, uint8_t val)
{
	if (u->lcr & LCR_DLAB) {
		u->dll = val;
		return;
	}
	u->thre_pending = true; /* the byte has left by the time the guest can look */
	if (!(u->mcr & MCR_LOOP))
		tx_put(u, val);
	else if (!rx_put(u, val))
		u->lsr_errors |= LSR_OE;
}

static uint8_t get_ier(struct uart *u)
{
	return u->lcr & LCR_DLAB ? u->dlm : u->ier;
}

static void set_ier(struct uart *u, uint8_t val)
{
	if (u->lcr & LCR_DLAB) {
		u->dlm = val;
		return;
	}
	/* Turning ETBEI on while THR is empty raises the interrupt; drivers start by that. */
	if ((val & IER_ETBEI) && !(u->ier & IER_ETBEI))
		u->thre_pending = true;
	u->ier = val & 0x0f;
}

static uint8_t get_iir(struct uart *u)
{
	uint8_t c = cause(u);

	if (c == IIR_THRE)
		u->thre_pending = false;
	return (uint8_t)(c | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0));
}

/* Other bits take only with FIFO enable set, and changing that empties the FIFOs. */
static void set_fcr(struct uart *u, uint8_t val)
{
	bool toggled = (val ^ u->fcr) & FCR_ENABLE;

	if (toggled || ((val & FCR_ENABLE) && (val & FCR_RX_RESET)))
		u->rx_len = 0;
	u->fcr = val & FCR_ENABLE ? (uint8_t)(val & 0xc1) : 0;
}

static uint8_t get_lcr(struct uart *u)
{
	return u->lcr;
}

static void set_lcr(struct uart *u, uint8_t val)
{
	u->lcr = val;
}

static uint8_t get_mcr(struct uart *u)
{
	return u->mcr;
}

static void set_mcr(struct uart *u, uint8_t val)
{
	u->mcr = val & 0x1f;
	modem_update(u);
}

static uint8_t get_lsr(struct uart *u)
{
	uint8_t val = line_status(u);

	u->lsr_errors &= (uint8_t)~LSR_ERRORS;
	return val;
}

static uint8_t get_msr(struct uart *u)
{
	uint8_t val = u->msr;

	u->msr &= (uint8_t)~MSR_DELTA;
	return val;
}

static uint8_t get_scr(struct uart *u)
{
	return u->scr;
}

static void set_scr(struct uart *u, uint8_t val)
{
	u->scr = val;
}

/* LSR's and MSR's writes are for factory tests: dropped. */
static const struct {
	uint8_t (*get)(struct uart *u);
	void (*set)(struct uart *u, uint8_t val);
} regs[UART_PORTS] = {
	{get_rbr, set_thr}, {get_ier, set_ier}, {get_iir, set_fcr}, {get_lcr, set_lcr},
	{get_mcr, set_mcr}, {get_lsr, NULL},	{get_msr, NULL},    {get_scr, set_scr},
};

/* Wider accesses are byte accesses to neighbouring ports. */
static uint32_t uart_in(void *dev, uint16_t offset, unsigned size)
{
	struct uart *u = dev;
	uint32_t val = 0;
	unsigned i;

	pthread_mutex_lock(&u->lock);
	for (i = 0; i < size; i++)
		val |= (uint32_t)regs[offset + i].get(u) << (8 * i);
	pthread_mutex_unlock(&u->lock);
	return val;
}

static void uart_out(void *dev, uint16_t offset, unsigned size, uint32_t val)
{
	struct uart *u = dev;
	unsigned i;

	pthread_mutex_lock(&u->lock);
	for (i = 0; i < size; i++)
		if (regs[offset + i].set)
			regs[offset + i].set(u, (uint8_t)(val >> (8 * i)));
	pthread_mutex_unlock(&u->lock);
}

struct uart *uart_create(const struct dev_host *h)
{
	struct uart *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	pthread_mutex_init(&u->lock, NULL);
	u->host = h;
	uart_reset(u);
	return u;
}

void uart_reset(struct uart *u)
{
	pthread_mutex_lock(&u->lock);
	tx_give(u);
	u->ier = u->fcr = u->lcr = u->mcr = u->scr = u->dlm = u->lsr_errors = 0;
	u->dll = 1; /* 115200 baud, should anyone ask */
	u->msr = MSR_LINE;
	u->thre_pending = false;
	u->rx_head = u->rx_len = 0;
	pthread_mutex_unlock(&u->lock);
}

void uart_destroy(struct uart *u)
{
	if (!u)
		return;
	pthread_mutex_destroy(&u->lock);
	free(u);
}

int uart_attach(struct uart *u, struct bus *b, uint16_t port)
{
	const struct dev_range r = {.dev = u, .in = uart_in, .out = uart_out, .name = "16550A"};

	return bus_add_ports(b, port, UART_PORTS, &r);
}

size_t uart_input(struct uart *u, const uint8_t *buf, size_t n)
{
	size_t taken = 0;

	pthread_mutex_lock(&u->lock);
	/* With loopback on, the receiver is cut off from the line. */
	while (taken < n && !(u->mcr & MCR_LOOP) && rx_put(u, buf[taken]))
		taken++;
	pthread_mutex_unlock(&u->lock);
	return taken;
}

void uart_flush(struct uart *u)
{
	pthread_mutex_lock(&u->lock);
	tx_give(u);
	pthread_mutex_unlock(&u->lock);
}
