//go:build gc && !purego

#include "textflag.h"

// Two blocks are in the halves of four registers A, B, C and D, by diagonals; two
// more in another four, so that one pair computes while the other waits.

// x ^= (y + z) <<< n
#define STEP(x, y, z, u, v, w, n) \
	VPADDD y, z, Y8;              \
	VPADDD v, w, Y10;             \
	VPSLLD $(n), Y8, Y9;          \
	VPSLLD $(n), Y10, Y11;        \
	VPSRLD $(32-n), Y8, Y8;       \
	VPSRLD $(32-n), Y10, Y10;     \
	VPXOR  Y9, x, x;              \
	VPXOR  Y11, u, u;             \
	VPXOR  Y8, x, x;              \
	VPXOR  Y10, u, u

// A round on columns, after which B and D, exchanged, are what a round on rows
// takes; and the other way about.
#define ROUND(A, B, C, D, E, F, G, H) \
	STEP(B, A, D, F, E, H, 7);  \
	STEP(C, B, A, G, F, E, 9);  \
	STEP(D, C, B, H, G, F, 13); \
	STEP(A, D, C, E, H, G, 18); \
	VPSHUFD $0x93, B, B;        \
	VPSHUFD $0x93, F, F;        \
	VPSHUFD $0x4E, C, C;        \
	VPSHUFD $0x4E, G, G;        \
	VPSHUFD $0x39, D, D;        \
	VPSHUFD $0x39, H, H

// Puts a pair of blocks in order and combines src with it at an offset.
#define WRITE(A, B, C, D, at) \
	VPBLENDD $0x22, D, A, Y8;      \
	VPBLENDD $0x88, B, C, Y9;      \
	VPBLENDD $0xCC, Y9, Y8, Y8;    \
	VPBLENDD $0x22, A, B, Y9;      \
	VPBLENDD $0x88, C, D, Y10;     \
	VPBLENDD $0xCC, Y10, Y9, Y9;   \
	VPBLENDD $0x22, B, C, Y10;     \
	VPBLENDD $0x88, D, A, Y11;     \
	VPBLENDD $0xCC, Y11, Y10, Y10; \
	VPBLENDD $0x22, C, D, Y11;     \
	VPBLENDD $0x88, A, B, A;       \
	VPBLENDD $0xCC, A, Y11, Y11;   \
	VPERM2I128 $0x20, Y9, Y8, A;   \
	VPERM2I128 $0x20, Y11, Y10, B; \
	VPERM2I128 $0x31, Y9, Y8, C;   \
	VPERM2I128 $0x31, Y11, Y10, D; \
	VPXOR (at+0)(SI), A, A;        \
	VPXOR (at+32)(SI), B, B;       \
	VPXOR (at+64)(SI), C, C;       \
	VPXOR (at+96)(SI), D, D;       \
	VMOVDQU A, (at+0)(DI);         \
	VMOVDQU B, (at+32)(DI);        \
	VMOVDQU C, (at+64)(DI);        \
	VMOVDQU D, (at+96)(DI)

// What the numbers of blocks are ahead of the first: of the second, of the next
// pair, of the next four.
DATA second<>+0(SB)/8, $0
DATA second<>+8(SB)/8, $0
DATA second<>+16(SB)/8, $1
DATA second<>+24(SB)/8, $0
GLOBL second<>(SB), RODATA|NOPTR, $32

DATA pair<>+0(SB)/8, $2
DATA pair<>+8(SB)/8, $0
DATA pair<>+16(SB)/8, $2
DATA pair<>+24(SB)/8, $0
GLOBL pair<>(SB), RODATA|NOPTR, $32

// func xorQuads(dst, src *byte, quads int, s *state)
TEXT ·xorQuads(SB), NOSPLIT, $0-32
	MOVQ           dst+0(FP), DI
	MOVQ           src+8(FP), SI
	MOVQ           quads+16(FP), CX
	MOVQ           s+24(FP), AX
	VBROADCASTI128 0(AX), Y12
	VBROADCASTI128 16(AX), Y13
	VBROADCASTI128 32(AX), Y14
	VBROADCASTI128 48(AX), Y15
	VPADDD         second<>(SB), Y14, Y14

quad:
	VMOVDQA Y12, Y0
	VMOVDQA Y13, Y1
	VMOVDQA Y14, Y2
	VMOVDQA Y15, Y3
	VMOVDQA Y12, Y4
	VMOVDQA Y13, Y5
	VPADDD  pair<>(SB), Y14, Y6
	VMOVDQA Y15, Y7
	MOVQ    $10, DX

rounds:
	ROUND(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7)
	ROUND(Y0, Y3, Y2, Y1, Y4, Y7, Y6, Y5)
	DECQ DX
	JNZ  rounds

	VPADDD Y12, Y0, Y0
	VPADDD Y13, Y1, Y1
	VPADDD Y14, Y2, Y2
	VPADDD Y15, Y3, Y3
	VPADDD pair<>(SB), Y14, Y14
	VPADDD Y12, Y4, Y4
	VPADDD Y13, Y5, Y5
	VPADDD Y14, Y6, Y6
	VPADDD Y15, Y7, Y7
	VPADDD pair<>(SB), Y14, Y14
	WRITE(Y0, Y1, Y2, Y3, 0)
	WRITE(Y4, Y5, Y6, Y7, 128)
	ADDQ   $256, SI
	ADDQ   $256, DI
	DECQ   CX
	JNZ    quad
	VZEROUPPER
	RET
