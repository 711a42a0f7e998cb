# The canary: a PVH kernel of a few hundred bytes that measures how fast an accelerator really runs instructions.
#
# It enters long mode, counts 100,000 down four times, takes the fastest round in ticks of the time stamp counter, and
# leaves through isa-debug-exit with the number of that figure's highest bit. A processor needs 2^16 to 2^19 ticks; a KVM
# that emulates every instruction needs about 2^27 (FACTS.md, "Booting"). The fastest round, measured inside: a host
# that is busy, or a program that looks late, changes nothing.
#
# The ELF headers are written out, so that the bytes depend on the assembler alone:
#   as --64 canary.S -o canary.o && ld -Ttext=0x100000 --oformat binary canary.o -o canary.elf

	.set BASE, 0x100000
	.set TABLES, 0x200000           # three pages of page tables, in memory that nothing else uses
	.set COUNT, 100000
	.set ROUNDS, 4

	.text
	.code32
	.globl _start
_start:
header:                                 # Elf64_Ehdr
	.byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
	.word 2, 62                     # ET_EXEC, EM_X86_64
	.long 1
	.quad BASE + (enter - header)   # entry
	.quad programs - header         # e_phoff
	.quad 0                         # e_shoff
	.long 0
	.word 64, 56, 2, 64, 0, 0
programs:                               # Elf64_Phdr: the whole file, and the note in it
	.long 1, 7
	.quad 0, BASE, BASE, end - header, end - header, 0x1000
	.long 4, 4
	.quad note - header, BASE + (note - header), BASE + (note - header), note_end - note, note_end - note, 4
note:                                   # XEN_ELFNOTE_PHYS32_ENTRY: where a PVH loader enters
	.long 4, 8, 18
	.asciz "Xen"
	.quad BASE + (enter - header)
note_end:

	.balign 8
gdt:
	.quad 0
	.quad 0x00209a0000000000        # 64-bit code
	.quad 0x0000920000000000        # data
gdt_pointer:
	.word gdt_pointer - gdt - 1
	.long BASE + (gdt - header)

enter:                                  # 32-bit protected mode, paging off
	cli
	movl $TABLES, %edi
	xorl %eax, %eax
	movl $0xc00, %ecx
	cld
	rep stosl
	movl $(TABLES + 0x1003), TABLES
	movl $(TABLES + 0x2003), TABLES + 0x1000
	movl $0x83, TABLES + 0x2000     # the first 2 MiB, one large page
	movl %cr4, %eax
	orl $0x20, %eax                 # PAE
	movl %eax, %cr4
	movl $TABLES, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx          # EFER.LME
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax           # PG, PE
	movl %eax, %cr0
	lgdt BASE + (gdt_pointer - header)
	ljmp $8, $(BASE + (long_mode - header))

	.code64
long_mode:
	movq $-1, %r8                   # the fastest round
	movl $ROUNDS, %r9d
1:	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movq %rax, %r10
	movl $COUNT, %ecx
2:	decl %ecx
	jnz 2b
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	subq %r10, %rax
	cmpq %r8, %rax
	cmovbq %rax, %r8
	decl %r9d
	jnz 1b
	xorl %eax, %eax
	bsrq %r8, %rax
	outl %eax, $0xf4                # isa-debug-exit: QEMU ends with 2 * eax + 1
3:	hlt
	jmp 3b
end:
